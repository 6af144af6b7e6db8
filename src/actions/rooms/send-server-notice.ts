import type { App } from '../../app.ts'
import type { EventId, UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { type Errcode, MatrixError } from '../../core/matrix-error.ts'
import { noticesRoom, noticesRoomIsNew } from '../../store/server-notices.ts'
import type { ClientTransaction } from '../../store/transactions.ts'
import { userById } from '../../store/users.ts'
import { createAccount } from '../accounts/create-account.ts'
import { editAccountData } from '../accounts/set-account-data.ts'
import { setProfile } from '../accounts/set-profile.ts'
import { changeMembership } from '../memberships/change-membership.ts'
import { createRoom } from './create-room.ts'
import { noticesSender } from './notices-sender.ts'
import { sendEvent } from './send-event.ts'

export interface ServerNotice {
  readonly userId: UserId
  readonly type: string
  readonly stateKey: string | null
  readonly content: JsonObject
  readonly transaction?: ClientTransaction
}

const TAG = 'm.server_notice'

/**
 * Tells a local user something in the server's name, in a room of theirs that there is one of (Client-Server API,
 * "Server Notices"). Who has left it is invited again. Errors: M_NOT_FOUND for the user, M_UNKNOWN where notices are
 * switched off, M_USER_IN_USE when somebody else has the sender's name.
 */
export async function sendServerNotice(app: App, notice: ServerNotice): Promise<EventId> {
  if (!app.config.global.server_notices.enabled)
    throw new MatrixError('M_UNKNOWN', 'Server notices are switched off on this server.')
  const { userId, type, stateKey, content, transaction } = notice
  const user = await userById(app.db, userId)
  const sender = noticesSender(app)
  if (user === undefined || user.deactivated === 1 || userId === sender)
    throw new MatrixError('M_NOT_FOUND', `${userId} is nobody whom this server can tell something.`)
  // Whoever comes meanwhile takes part; that there is one sender and one room is seen to by guards.
  await app.live.preparing.run(sender, () => ensureSender(app, sender))
  const roomId = await app.live.preparing.run(userId, () => roomFor(app, sender, userId))
  return sendEvent(app, { roomId, sender, type, stateKey, content, ...(transaction && { transaction }) })
}

/** The account has no password and no session: nobody speaks in its name but the server. */
async function ensureSender(app: App, sender: UserId): Promise<string> {
  if ((await userById(app.db, sender)) === undefined) await unlessTaken('M_USER_IN_USE', makeSender(app, sender))
  const known = await userById(app.db, sender)
  if (known?.password_hash !== null)
    throw new MatrixError('M_USER_IN_USE', `${sender} is the account of somebody who can log in.`)
  return sender
}

async function makeSender(app: App, sender: UserId): Promise<void> {
  const { local_part: localpart, display_name: displayName, avatar_url: avatar } = app.config.global.server_notices
  await createAccount(app, { localpart, displayName, password: undefined, admin: false })
  if (avatar !== '') await setProfile(app, sender, 'avatar_url', avatar)
}

/** Another process may have been faster. */
async function unlessTaken(errcode: Errcode, made: Promise<void>): Promise<void> {
  await made.catch((error: unknown) => {
    if (!(error instanceof MatrixError) || error.errcode !== errcode) throw error
  })
}

async function roomFor(app: App, sender: UserId, userId: UserId): Promise<string> {
  const before = await noticesRoom(app.db, sender, userId)
  if (before === undefined) await unlessTaken('M_ROOM_IN_USE', makeRoom(app, sender, userId))
  const known = before ?? (await noticesRoom(app.db, sender, userId))
  if (known === undefined) throw new MatrixError('M_UNKNOWN', 'The room of notices could not be made.')
  if (known.membership !== 'join' && known.membership !== 'invite')
    await changeMembership(app, { roomId: known.room_id, sender, target: userId, membership: 'invite' })
  return known.room_id
}

/** Only the server speaks in it. */
async function makeRoom(app: App, sender: UserId, userId: UserId): Promise<void> {
  const roomId = await createRoom(app, {
    creator: sender,
    preset: 'private_chat',
    name: app.config.global.server_notices.room_name,
    powerLevelOverride: { users_default: -10, events_default: 0, state_default: 50 },
    creationContent: { 'm.federate': false },
    invite: [userId],
    guards: [noticesRoomIsNew(sender, userId)],
  })
  await editAccountData(app, userId, { roomId, type: 'm.tag' }, (before) => {
    const content = before === undefined ? {} : parseJson(before)
    const tags = isObject(content) ? own(content, 'tags') : undefined
    return { tags: { ...(tags !== undefined && isObject(tags) ? tags : {}), [TAG]: {} } }
  })
}
