import type { App } from '../../app.ts'
import { aliasesIn } from '../../core/canonical-alias.ts'
import { isHistoricalUserId, isRoomAlias, type RoomId, serverNameOf, type UserId } from '../../core/ids.ts'
import { type JsonObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type RoomVersion, roomVersion } from '../../core/room-version.ts'
import type { Guard } from '../../db/database.ts'
import type { Appservice } from '../../live/appservices.ts'
import { aliasIsFree, insertAlias, publishRoom } from '../../store/rooms.ts'
import { checkTrusted } from '../accounts/ask-identity-server.ts'
import { appendNewRoom } from '../append.ts'
import {
  changeMembership,
  checkInvitePermission,
  type MembershipWish,
  memberProfile,
} from '../memberships/change-membership.ts'
import { type InviteByAddress, inviteByAddress } from '../memberships/invite-by-address.ts'
import { beginRoom } from './begin-room.ts'
import { emptyTip, type RoomWriter } from './room-writer.ts'
import { checkAliasNamespace } from './set-alias.ts'

export type Preset = 'private_chat' | 'trusted_private_chat' | 'public_chat'

export interface InitialEvent {
  readonly type: string
  readonly stateKey: string
  readonly content: JsonObject
}

export interface RoomWish {
  readonly creator: UserId
  /** The application service that speaks in the creator's name. */
  readonly appservice?: Appservice | undefined
  readonly roomVersion?: string | undefined
  readonly preset?: Preset | undefined
  readonly visibility?: 'public' | 'private' | undefined
  readonly name?: string | undefined
  readonly topic?: string | undefined
  readonly aliasLocalpart?: string | undefined
  readonly invite?: readonly UserId[] | undefined
  readonly inviteByAddress?: readonly Pick<InviteByAddress, 'medium' | 'address' | 'idServer' | 'token'>[] | undefined
  readonly isDirect?: boolean | undefined
  readonly creationContent?: JsonObject | undefined
  readonly initialState?: readonly InitialEvent[] | undefined
  readonly powerLevelOverride?: JsonObject | undefined
  /** Hold when the room is made, or there is none: M_ROOM_IN_USE. */
  readonly guards?: readonly Guard[]
}

const PRESETS: Readonly<Record<Preset, { joinRule: string; historyVisibility: string; guestAccess: string }>> = {
  private_chat: { joinRule: 'invite', historyVisibility: 'shared', guestAccess: 'can_join' },
  trusted_private_chat: { joinRule: 'invite', historyVisibility: 'shared', guestAccess: 'can_join' },
  public_chat: { joinRule: 'public', historyVisibility: 'shared', guestAccess: 'forbidden' },
}

/**
 * Makes a room (Client-Server API, "Creation"): create, the creator's join, power levels, alias, preset, initial state,
 * name, topic and the invites of this server in one batch; then invites to others. Resolves with the room's id once it
 * is durable. Errors: M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE for a taken alias, M_INVALID_ROOM_STATE when the events
 * that the wish asks for are not allowed by the room's own rules, M_INVITE_BLOCKED, M_TOO_LARGE, M_INVALID_PARAM,
 * M_SERVER_NOT_TRUSTED, M_EXCLUSIVE for an alias that belongs to an application service.
 */
export async function createRoom(app: App, wish: RoomWish): Promise<RoomId> {
  const wanted = wish.roomVersion ?? app.config.room_server.default_room_version
  const version = roomVersion(wanted)
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Room version ${wanted} is not supported.`)
  const invited = [...new Set(wish.invite ?? [])]
  const ours = (user: UserId) => serverNameOf(user) === app.serverName
  const invites = [...invited.map((target) => inviteOf(wish, target)), ...initialInvites(wish)]
  for (const { target } of invites) await checkInvitePermission(app, target)
  for (const { idServer } of wish.inviteByAddress ?? []) checkTrusted(app, idServer)
  const profiles = new Map<UserId, JsonObject>()
  for (const user of [wish.creator, ...invited.filter(ours)]) profiles.set(user, await memberProfile(app, user))
  const room = await app.db.nextId('room')
  const roomId = version.roomIdIsCreateHash ? undefined : newRoomId(app)
  const start = () => emptyTip(room, version, roomId)
  const [create] = await appendNewRoom(app, start, async (writer) => {
    try {
      await addAll(app, writer, { ...wish, invite: invited }, profiles)
    } catch (error) {
      throw asInvalidState(error)
    }
  })
  const others = invites.filter(({ target }) => !ours(target))
  const { roomId: made } = create!
  const inviteOther = (invite: Invite) => changeMembership(app, { ...invite, roomId: made })
  await Promise.all(others.map((invite) => noteFailure(app, made, invite.target, inviteOther(invite))))
  for (const address of wish.inviteByAddress ?? []) {
    const { sender, content } = inviteOf(wish, wish.creator)
    const invite = inviteByAddress(app, { ...address, roomId: made, sender, content })
    await noteFailure(app, made, address.idServer, invite)
  }
  return made
}

/** The room is there: that another server cannot be asked, or refuses, does not unmake it. */
async function noteFailure(app: App, room: RoomId, target: string, invite: Promise<unknown>): Promise<void> {
  try {
    await invite
  } catch (error) {
    if (!(error instanceof MatrixError)) throw error
    app.log.info({ room, target, reason: error.message }, 'somebody could not be invited to a new room')
  }
}

type Invite = Omit<MembershipWish, 'roomId'>

/** Who is invited by the initial state, as by the list of invites. */
function initialInvites(wish: RoomWish): Invite[] {
  return (wish.initialState ?? []).filter(isInvite).flatMap(({ stateKey: target, content }) => {
    return isHistoricalUserId(target) ? [{ sender: wish.creator, target, membership: 'invite' as const, content }] : []
  })
}

function isInvite({ type, content }: InitialEvent): boolean {
  return type === 'm.room.member' && own(content, 'membership') === 'invite'
}

/** What the room's own rules refuse is a fault of the wish, not a lack of permission. */
function asInvalidState(error: unknown): unknown {
  if (!(error instanceof MatrixError) || error.errcode !== 'M_FORBIDDEN') return error
  return new MatrixError('M_INVALID_ROOM_STATE', error.message)
}

/** Bytes of randomness in the ids of rooms before version 12. */
const ROOM_ID_BYTES = 14

export function newRoomId(app: App): RoomId {
  return `!${app.random.bytes(ROOM_ID_BYTES).toString('base64url')}:${app.serverName}` as RoomId
}

function createContent(wish: RoomWish, version: RoomVersion): JsonObject {
  const { creator: _, ...wanted } = wish.creationContent ?? {}
  const additional = version.privilegedCreators ? additionalCreators(wish) : []
  return {
    ...wanted,
    ...(version.creatorIsSender ? {} : { creator: wish.creator }),
    ...(additional.length > 0 ? { additional_creators: additional } : {}),
    room_version: version.id,
  }
}

/** Those named in the creation content and, in a trusted private chat, the invited (room version 12). */
function additionalCreators(wish: RoomWish): string[] {
  const named = own(wish.creationContent ?? {}, 'additional_creators') ?? []
  if (!Array.isArray(named) || !named.every((user) => typeof user === 'string' && isHistoricalUserId(user)))
    throw new MatrixError('M_INVALID_PARAM', 'additional_creators is not an array of user ids.')
  const trusted = wish.preset === 'trusted_private_chat' ? (wish.invite ?? []) : []
  return [...new Set([...(named as string[]), ...trusted])].filter((user) => user !== wish.creator)
}

/** The events in the order of the specification; `profiles` are those of the creator and the invited of this server. */
async function addAll(
  app: App,
  writer: RoomWriter,
  wish: RoomWish,
  profiles: ReadonlyMap<UserId, JsonObject>,
): Promise<void> {
  const { version, room } = writer.tip()
  const add = (type: string, content: JsonObject, stateKey = '') =>
    writer.add({ type, stateKey, sender: wish.creator, content })
  await beginRoom(app, writer, wish.creator, createContent(wish, version))
  await add('m.room.member', { ...profiles.get(wish.creator), membership: 'join' }, wish.creator)
  await add('m.room.power_levels', powerLevels(wish, version))
  const alias = wish.aliasLocalpart === undefined ? undefined : await addAlias(app, writer, wish, wish.aliasLocalpart)
  const initial = wish.initialState ?? []
  checkInitialAliases(initial, alias)
  for (const [type, content] of presetState(wish)) {
    if (!initial.some((event) => event.type === type && event.stateKey === '')) await add(type, content)
  }
  // Users of other servers are invited by way of those, once the room is there.
  const abroad = (event: InitialEvent) => isInvite(event) && serverNameOf(event.stateKey) !== app.serverName
  for (const event of initial) if (!abroad(event)) await add(event.type, event.content, event.stateKey)
  if (wish.name !== undefined) await add('m.room.name', { name: wish.name })
  if (wish.topic !== undefined)
    await add('m.room.topic', { topic: wish.topic, 'm.topic': { 'm.text': [{ body: wish.topic }] } })
  if (wish.visibility === 'public') writer.also({ writes: [publishRoom(room, true)] })
  if (wish.guards !== undefined) writer.also({ guards: wish.guards })
  for (const target of wish.invite ?? []) {
    const profile = profiles.get(target)
    const { content } = inviteOf(wish, target)
    if (profile !== undefined) await add('m.room.member', { ...profile, ...content, membership: 'invite' }, target)
  }
}

async function addAlias(app: App, writer: RoomWriter, wish: RoomWish, localpart: string): Promise<string> {
  const { creator, appservice } = wish
  const alias = `#${localpart}:${app.serverName}`
  if (!isRoomAlias(alias)) throw new MatrixError('M_INVALID_PARAM', `${alias} is not a room alias.`)
  checkAliasNamespace(app, alias, appservice)
  await writer.add({ type: 'm.room.canonical_alias', stateKey: '', sender: creator, content: { alias } })
  const writes = [insertAlias(alias, writer.tip().room, creator, app.clock.now())]
  writer.also({ writes, guards: [aliasIsFree(alias)] })
  return alias
}

/** A room that begins has no other alias than the one that is made with it. */
function checkInitialAliases(initial: readonly InitialEvent[], alias: string | undefined): void {
  const named = initial.filter((event) => event.type === 'm.room.canonical_alias' && event.stateKey === '')
  const other = named.flatMap((event) => aliasesIn(event.content)).find((name) => name !== alias)
  if (other !== undefined) throw new MatrixError('M_BAD_ALIAS', `The alias ${other} does not stand for this room.`)
}

function presetState(wish: RoomWish): [type: string, content: JsonObject][] {
  const preset = PRESETS[wish.preset ?? (wish.visibility === 'public' ? 'public_chat' : 'private_chat')]
  const state: [type: string, content: JsonObject][] = [
    ['m.room.join_rules', { join_rule: preset.joinRule }],
    ['m.room.history_visibility', { history_visibility: preset.historyVisibility }],
  ]
  // A room without the event takes no guests: saying so would be one event more in every public room.
  if (preset.guestAccess !== 'forbidden') state.push(['m.room.guest_access', { guest_access: preset.guestAccess }])
  return state
}

function inviteOf(wish: RoomWish, target: UserId): Omit<MembershipWish, 'roomId'> & { content: JsonObject } {
  const content: JsonObject = wish.isDirect === true ? { is_direct: true } : {}
  return { sender: wish.creator, target, membership: 'invite', content }
}

function powerLevels(wish: RoomWish, version: RoomVersion): JsonObject {
  const users: Record<string, number> = version.privilegedCreators ? {} : { [wish.creator]: 100 }
  if (wish.preset === 'trusted_private_chat' && !version.privilegedCreators) {
    for (const user of wish.invite ?? []) users[user] = 100
  }
  return {
    ban: 50,
    events: {
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.encryption': 100,
      'm.room.history_visibility': 100,
      'm.room.name': 50,
      'm.room.power_levels': 100,
      'm.room.server_acl': 100,
      // Above state_default: where creators stand above all levels, no moderator ends the room (room version 12).
      'm.room.tombstone': version.privilegedCreators ? 150 : 100,
    },
    events_default: 0,
    invite: 0,
    kick: 50,
    notifications: { room: 50 },
    redact: 50,
    state_default: 50,
    users,
    users_default: 0,
    ...wish.powerLevelOverride,
  }
}
