import type { App } from '../../app.ts'
import { aliasesIn } from '../../core/canonical-alias.ts'
import { type EventId, isHistoricalUserId, serverNameOf, type UserId } from '../../core/ids.ts'
import { type JsonObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomByAlias } from '../../store/rooms.ts'
import { currentContent } from '../../store/state.ts'
import { changeMembership, type Membership } from '../memberships/change-membership.ts'
import { expelGuests } from '../memberships/expel-guests.ts'
import { join } from '../memberships/join.ts'
import { checkMayReject } from './notices-sender.ts'
import { sendEvent } from './send-event.ts'
import { textOf } from './state-consequences.ts'

export interface StateWish {
  readonly roomId: string
  readonly sender: UserId
  readonly guest: boolean
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
  /** When it was sent, as an application service says. */
  readonly originServerTs?: number | undefined
}

/**
 * Sets a piece of a room's state as a local user, with what the type asks of a server beyond the rules of the room.
 * Errors: those of `sendEvent` and of `changeMembership`; M_INVALID_PARAM and M_BAD_ALIAS for canonical aliases.
 */
export async function sendState(app: App, wish: StateWish): Promise<EventId> {
  const { roomId, sender, type, stateKey, content, originServerTs } = wish
  if (type === 'm.room.member') return setMember(app, wish)
  if (type === 'm.room.canonical_alias' && stateKey === '') await checkAliases(app, roomId, content)
  if (type === 'm.room.tombstone' && own(content, 'replacement_room') === roomId)
    throw new MatrixError('M_INVALID_PARAM', 'A room cannot be replaced by itself.')
  const eventId = await sendEvent(app, { roomId, sender, type, stateKey, content, originServerTs })
  if (type === 'm.room.guest_access' && stateKey === '') await expelGuests(app, roomId)
  return eventId
}

const MEMBERSHIPS: ReadonlySet<string | undefined> = new Set(['join', 'invite', 'leave', 'ban', 'knock'])

async function setMember(app: App, state: StateWish): Promise<EventId> {
  const { roomId, sender, guest, stateKey, content, originServerTs } = state
  const membership = textOf(content, 'membership')
  if (!MEMBERSHIPS.has(membership)) throw new MatrixError('M_BAD_JSON', 'membership is not one of the specification.')
  if (!isHistoricalUserId(stateKey)) throw new MatrixError('M_INVALID_PARAM', `${stateKey} is not a user id.`)
  if (membership === 'leave' && sender === stateKey) await checkMayReject(app, sender, roomId)
  const wish = {
    roomId,
    sender,
    target: stateKey,
    membership: membership as Membership,
    content,
    guest,
    originServerTs,
  }
  return membership === 'join' && sender === stateKey ? join(app, wish) : changeMembership(app, wish)
}

/** New aliases of this server have to stand for the room; those listed already may stay, whatever became of them. */
async function checkAliases(app: App, roomId: string, content: JsonObject): Promise<void> {
  const named = aliasesIn(content)
  const before = await currentContent(app.db, roomId, 'm.room.canonical_alias', '')
  const listed = new Set(before === undefined ? [] : [own(before, 'alias'), ...arrayOf(own(before, 'alt_aliases'))])
  for (const alias of named) {
    if (listed.has(alias)) continue
    const room = serverNameOf(alias) === app.serverName ? await roomByAlias(app.db, alias) : undefined
    if (room?.room_id !== roomId)
      throw new MatrixError('M_BAD_ALIAS', `The alias ${alias} does not stand for this room.`)
  }
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
