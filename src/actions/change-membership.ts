import type { App } from '../app.ts'
import { type EventId, serverNameOf, type UserId } from '../core/ids.ts'
import { canonicalJson, type JsonObject, type JsonValue, own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { strippedEvent, strippedStateKeys } from '../core/stripped-state.ts'
import { profileOf } from '../store/profiles.ts'
import { append } from './append.ts'
import type { RoomWriter } from './room-writer.ts'
import { textOf } from './state-consequences.ts'

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
  readonly content?: JsonObject
}

/**
 * Makes a member event: join, leave, invite, kick, ban, unban or knock, as sender and target say. Joining a room that
 * one is in already, or leaving one that one has left, changes nothing. Errors: M_FORBIDDEN, M_NOT_FOUND.
 */
export async function changeMembership(app: App, wish: MembershipWish): Promise<EventId | undefined> {
  const profile = NAMED.has(wish.membership) ? await memberProfile(app, wish.target) : {}
  let unchanged: EventId | undefined
  const events = await append(app, wish.roomId, async (writer) => {
    const current = (await writer.state('m.room.member', wish.target))?.value
    const before = current && textOf(current.content, 'membership')
    unchanged =
      before === wish.membership && wish.sender === wish.target && wish.content === undefined
        ? current?.eventId
        : undefined
    if (unchanged !== undefined) return
    const content = await memberContent(writer, wish, profile, before)
    const shown = wish.membership === 'invite' || wish.membership === 'knock'
    const strippedState = shown ? await strippedStateFor(writer, wish.sender) : undefined
    await writer.add({ type: 'm.room.member', stateKey: wish.target, sender: wish.sender, content, strippedState })
  })
  return unchanged ?? events[0]?.eventId
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

async function memberContent(
  writer: RoomWriter,
  wish: MembershipWish,
  profile: JsonObject,
  before: string | undefined,
): Promise<JsonObject> {
  const needsVoucher = wish.membership === 'join' && before !== 'join' && before !== 'invite'
  const voucher = needsVoucher ? await authorisingUser(writer) : undefined
  return {
    ...wish.content,
    ...profile,
    membership: wish.membership,
    ...(wish.reason === undefined ? {} : { reason: wish.reason }),
    ...(voucher === undefined ? {} : { join_authorised_via_users_server: voucher }),
  }
}

/**
 * For a restricted room (v8+): a member who may invite vouches for the one who joins. Not built yet: only invites open
 * it.
 */
async function authorisingUser(writer: RoomWriter): Promise<UserId | undefined> {
  const rules = (await writer.state('m.room.join_rules', ''))?.value.content
  const rule = textOf(rules, 'join_rule')
  if (rule !== 'restricted' && rule !== 'knock_restricted') return undefined
  throw new MatrixError('M_FORBIDDEN', 'This server cannot vouch for restricted joins yet: ask for an invite.')
}

/** What somebody outside is shown of the room with an invite or a knock, as the JSON text of an array. */
async function strippedStateFor(writer: RoomWriter, sender: UserId): Promise<string> {
  const shown: JsonObject[] = []
  for (const [type, stateKey] of strippedStateKeys([sender])) {
    const found = (await writer.state(type, stateKey))?.value
    if (found !== undefined) shown.push(strippedEvent({ type, stateKey, sender: found.sender, content: found.content }))
  }
  return canonicalJson(shown)
}
