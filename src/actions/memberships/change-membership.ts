import type { App } from '../../app.ts'
import { type EventId, serverNameOf, type UserId } from '../../core/ids.ts'
import { blocksInvites } from '../../core/invite-permission.ts'
import { canonicalJson, type JsonObject, type JsonValue, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { localUser } from '../../remote/appservice-queries.ts'
import { accountData } from '../../store/account-data.ts'
import { profileOf } from '../../store/profiles.ts'
import { append } from '../append.ts'
import type { RoomWriter } from '../rooms/room-writer.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { inviteRemoteUser } from './invite-remote-user.ts'
import { vouchForJoin } from './vouch-for-join.ts'

export type Membership = 'join' | 'invite' | 'leave' | 'ban' | 'knock'

/** Member events that repeat the member's profile. */
const NAMED: ReadonlySet<Membership> = new Set(['join', 'invite', 'knock'])

export interface MembershipWish {
  readonly roomId: string
  readonly sender: UserId
  readonly target: UserId
  readonly membership: Membership
  readonly reason?: string | undefined
  /** More keys for `content`, below those that the server sets. */
  readonly content?: JsonObject | undefined
  /** The wish makes sense only for a target with one of these memberships: a kick, for who is in the room. */
  readonly from?: readonly Membership[]
  /** The target is a guest of this server. */
  readonly guest?: boolean
  /** When the event was sent, as an application service says. */
  readonly originServerTs?: number | undefined
}

/**
 * Makes a member event: join, leave, invite, kick, ban, unban or knock, as sender and target say. Joining a room that
 * one is in already, or leaving one that one has left, changes nothing, and neither does an event equal to the current
 * one. Errors: M_FORBIDDEN, M_NOT_FOUND, M_INVITE_BLOCKED, M_GUEST_ACCESS_FORBIDDEN, M_UNABLE_TO_GRANT_JOIN.
 */
export async function changeMembership(app: App, wish: MembershipWish): Promise<EventId> {
  if (wish.membership === 'invite') await checkInvitePermission(app, wish.target)
  if (wish.membership === 'invite' && serverNameOf(wish.target) !== app.serverName)
    return inviteRemoteUser(app, { ...wish, content: inviteContent(wish) })
  const profile = NAMED.has(wish.membership) ? await memberProfile(app, wish.target) : {}
  let unchanged: EventId | undefined
  const events = await append(app, wish.roomId, async (writer) => {
    const current = (await writer.state('m.room.member', wish.target))?.value
    const before = current && textOf(current.content, 'membership')
    checkStep(wish, before)
    const content = await memberContent(app, writer, wish, profile, before)
    const bare = wish.sender === wish.target && wish.content === undefined
    const same = (bare && before === wish.membership) || (current && sameContent(current.content, content))
    unchanged = same ? current?.eventId : undefined
    if (unchanged !== undefined) return
    const { target: stateKey, sender, originServerTs } = wish
    await writer.add({ type: 'm.room.member', stateKey, sender, content, originServerTs })
  })
  return unchanged ?? events[0]!.eventId
}

/** Client-Server API, "Invite permission". Errors: M_INVITE_BLOCKED. */
export async function checkInvitePermission(app: App, target: UserId): Promise<void> {
  if (serverNameOf(target) !== app.serverName) return
  // An application service makes those of its users who are invited before they are there.
  if (app.appservices.all.some((appservice) => appservice.hasUser(target))) await localUser(app, target)
  const { content } = await accountData(app.db, target, '', 'm.invite_permission_config')
  if (blocksInvites(content === undefined ? undefined : parseJson(content)))
    throw new MatrixError('M_INVITE_BLOCKED', `${target} takes no invites.`)
}

/** Display name and avatar as member events repeat them. */
export async function memberProfile(app: App, userId: UserId): Promise<JsonObject> {
  if (serverNameOf(userId) !== app.serverName) return {}
  const profile = await profileOf(app.db, userId)
  const content: Record<string, JsonValue> = {}
  for (const key of ['displayname', 'avatar_url']) {
    const value = own(profile, key)
    if (typeof value === 'string' && value !== '') content[key] = value
  }
  return content
}

function checkStep(wish: MembershipWish, before: string | undefined): void {
  if (wish.from === undefined || wish.from.some((membership) => membership === before)) return
  throw new MatrixError('M_FORBIDDEN', `The membership of ${wish.target} is ${before ?? 'none'}: this changes nothing.`)
}

async function memberContent(
  app: App,
  writer: RoomWriter,
  wish: MembershipWish,
  profile: JsonObject,
  before: string | undefined,
): Promise<JsonObject> {
  const enters = wish.membership === 'join' && before !== 'join'
  if (enters && wish.guest === true) await checkGuestAccess(writer)
  const voucher = enters && before !== 'invite' ? await vouchForJoin(app, writer, wish.target) : undefined
  return {
    ...profile,
    ...wantedContent(wish),
    membership: wish.membership,
    ...(wish.reason === undefined ? {} : { reason: wish.reason }),
    ...(voucher === undefined ? {} : { join_authorised_via_users_server: voucher }),
  }
}

function inviteContent(wish: MembershipWish): JsonObject {
  const reason = wish.reason === undefined ? {} : { reason: wish.reason }
  return { ...wantedContent(wish), membership: 'invite', ...reason }
}

/** A voucher is ours to name, and what others are called is theirs to say. */
function wantedContent({ sender, target, content = {} }: MembershipWish): JsonObject {
  const { join_authorised_via_users_server: _via, ...wanted } = content
  if (sender === target) return wanted
  const { displayname: _name, avatar_url: _avatar, ...others } = wanted
  return others
}

/** Client-Server API, "Guest Access". */
async function checkGuestAccess(writer: RoomWriter): Promise<void> {
  const setting = (await writer.state('m.room.guest_access', ''))?.value.content
  if (textOf(setting, 'guest_access') !== 'can_join')
    throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'The room takes no guests.')
}

function sameContent(current: JsonObject, content: JsonObject): boolean {
  return canonicalJson(current) === canonicalJson(content)
}
