import type { App } from '../app.ts'
import type { RoomAlias, RoomId, UserId } from '../core/ids.ts'
import { type JsonObject, type JsonValue, own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type RoomVersion, roomVersion } from '../core/room-version.ts'
import { aliasIsFree, insertAlias, insertRoom, publishRoom, roomIsNew } from '../store/rooms.ts'
import { appendNewRoom } from './append.ts'
import { changeMembership, memberProfile } from './change-membership.ts'
import { emptyTip, type RoomWriter } from './room-writer.ts'

export type Preset = 'private_chat' | 'trusted_private_chat' | 'public_chat'

export interface RoomWish {
  readonly creator: UserId
  readonly roomVersion?: string | undefined
  readonly preset?: Preset | undefined
  readonly visibility?: 'public' | 'private' | undefined
  readonly name?: string | undefined
  readonly topic?: string | undefined
  readonly aliasLocalpart?: string | undefined
  readonly invite?: readonly UserId[] | undefined
  readonly isDirect?: boolean | undefined
  readonly creationContent?: JsonObject | undefined
  readonly initialState?: readonly { type: string; stateKey: string; content: JsonObject }[] | undefined
  readonly powerLevelOverride?: JsonObject | undefined
}

const PRESETS: Readonly<Record<Preset, { joinRule: string; historyVisibility: string; guestAccess: string }>> = {
  private_chat: { joinRule: 'invite', historyVisibility: 'shared', guestAccess: 'can_join' },
  trusted_private_chat: { joinRule: 'invite', historyVisibility: 'shared', guestAccess: 'can_join' },
  public_chat: { joinRule: 'public', historyVisibility: 'shared', guestAccess: 'forbidden' },
}

/**
 * Makes a room (Client-Server API, "Creation"): create, the creator's join, power levels, alias, preset,
 * initial state, name and topic in one batch; then the invites. Resolves with the room's id once it is durable.
 * Errors: M_UNSUPPORTED_ROOM_VERSION, M_ROOM_IN_USE for a taken alias, M_INVALID_ROOM_STATE when the events that
 * the wish asks for are not allowed by the room's own rules.
 */
export async function createRoom(app: App, wish: RoomWish): Promise<RoomId> {
  const wanted = wish.roomVersion ?? app.config.room_server.default_room_version
  const version = roomVersion(wanted)
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `Room version ${wanted} is not supported.`)
  const preset = PRESETS[wish.preset ?? (wish.visibility === 'public' ? 'public_chat' : 'private_chat')]
  const profile = await memberProfile(app, wish.creator)
  const room = await app.db.nextId('room')
  const roomId = version.roomIdIsCreateHash ? undefined : newRoomId(app)
  const alias =
    wish.aliasLocalpart === undefined ? undefined : (`#${wish.aliasLocalpart}:${app.serverName}` as RoomAlias)
  const [create] = await appendNewRoom(
    app,
    () => emptyTip(room, version, roomId),
    async (writer) => {
      const event = await writer.add(stateEvent(wish, 'm.room.create', '', createContent(wish, version)))
      const head = writer.tip().heads[0]!
      const writes = [insertRoom(room, event.roomId, version.id, head.event, app.clock.now())]
      writer.also({ writes, guards: [roomIsNew(event.roomId)] })
      await writer.add(stateEvent(wish, 'm.room.member', wish.creator, { ...profile, membership: 'join' }))
      await addState(writer, wish, version, preset, alias)
      if (alias !== undefined) {
        const writes = [insertAlias(alias, room, wish.creator, app.clock.now())]
        writer.also({ writes, guards: [aliasIsFree(alias)] })
      }
      if (wish.visibility === 'public') writer.also({ writes: [publishRoom(room, true)] })
    },
  )
  await inviteAll(app, wish, create!.roomId)
  return create!.roomId
}

/** Bytes of randomness in the ids of rooms before version 12. */
const ROOM_ID_BYTES = 14

function newRoomId(app: App): RoomId {
  return `!${app.random.bytes(ROOM_ID_BYTES).toString('base64url')}:${app.serverName}` as RoomId
}

function stateEvent(wish: RoomWish, type: string, stateKey: string, content: JsonObject) {
  return { type, stateKey, sender: wish.creator, content }
}

function createContent(wish: RoomWish, version: RoomVersion): JsonObject {
  const trusted = wish.preset === 'trusted_private_chat' && version.privilegedCreators ? (wish.invite ?? []) : []
  const named = wish.creationContent && own(wish.creationContent, 'additional_creators')
  const additional = [...new Set([...(Array.isArray(named) ? (named as JsonValue[]) : []), ...trusted])]
  return {
    ...wish.creationContent,
    ...(version.creatorIsSender ? {} : { creator: wish.creator }),
    ...(version.privilegedCreators && additional.length > 0 ? { additional_creators: additional } : {}),
    room_version: version.id,
  }
}

/** The events after the creator's join, in the order of the specification. */
async function addState(
  writer: RoomWriter,
  wish: RoomWish,
  version: RoomVersion,
  preset: (typeof PRESETS)[Preset],
  alias: RoomAlias | undefined,
): Promise<void> {
  const add = (type: string, content: JsonObject, stateKey = '') =>
    writer.add(stateEvent(wish, type, stateKey, content))
  const initial = wish.initialState ?? []
  const inInitial = (type: string) => initial.some((event) => event.type === type && event.stateKey === '')
  await add('m.room.power_levels', powerLevels(wish, version))
  if (alias !== undefined) await add('m.room.canonical_alias', { alias })
  if (!inInitial('m.room.join_rules')) await add('m.room.join_rules', { join_rule: preset.joinRule })
  if (!inInitial('m.room.history_visibility')) {
    await add('m.room.history_visibility', { history_visibility: preset.historyVisibility })
  }
  if (!inInitial('m.room.guest_access')) await add('m.room.guest_access', { guest_access: preset.guestAccess })
  for (const event of initial) await add(event.type, event.content, event.stateKey)
  if (wish.name !== undefined) await add('m.room.name', { name: wish.name })
  if (wish.topic !== undefined) {
    await add('m.room.topic', { topic: wish.topic, 'm.topic': { 'm.text': [{ body: wish.topic }] } })
  }
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

async function inviteAll(app: App, wish: RoomWish, roomId: RoomId): Promise<void> {
  for (const target of new Set(wish.invite ?? [])) {
    const content = wish.isDirect === true ? { is_direct: true } : undefined
    await changeMembership(app, {
      roomId,
      sender: wish.creator,
      target,
      membership: 'invite',
      ...(content === undefined ? {} : { content }),
    })
  }
}
