import type { App } from '../app.ts'
import { buildEvent, type Event, type EventDraft } from '../core/event.ts'
import { AUTH_EVENTS_MAX, PREV_EVENTS_MAX } from '../core/event-format.ts'
import { type EventId, isEventId, isServerName, type RoomId, type ServerName, type UserId } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../core/json.ts'
import { type Errcode, MatrixError } from '../core/matrix-error.ts'
import { ROOM_VERSIONS, type RoomVersion, roomVersion } from '../core/room-version.ts'
import { askServer, Refused, sendByV2 } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { serverIsIn } from '../store/room-servers.ts'
import { knowRoomOutside } from '../store/room-takeover.ts'
import { roomById } from '../store/rooms.ts'
import { memberProfile } from './change-membership.ts'
import { startCompleting } from './complete-room.ts'
import { type Source, verifiedIn } from './fetch-missing.ts'
import { placeArrival } from './receive-pdus.ts'
import { storeOutliers } from './store-outliers.ts'
import { takeOverRoom } from './take-over-room.ts'
import { ownEvent, type VerifiedEvent, verifyPdu } from './verify-pdu.ts'
import { write } from './write.ts'

export interface RemoteJoin {
  readonly roomId: RoomId
  readonly userId: UserId
  /** Servers that may be in the room, asked in this order. */
  readonly servers: readonly ServerName[]
  readonly content: JsonObject
}

/** Servers asked until one lets us in. */
const SERVERS_MAX = 10
const SERVERS_IN_ROOM_MAX = 20_000
const JOIN_TIMEOUT_MS = 120_000
const JOIN_BYTES_MAX = 104_857_600

/**
 * Joins a room that this server is not in, by way of a server that is (Server-Server API, "Joining Rooms"). Errors:
 * what the last server said, as far as clients know it; M_UNKNOWN (502) when none could be reached.
 */
export async function joinRemoteRoom(app: App, join: RemoteJoin): Promise<EventId> {
  let failure = new MatrixError('M_NOT_FOUND', 'No server is known that could be in this room.')
  const servers = [...new Set(join.servers)].filter((server) => server !== app.serverName && isServerName(server))
  for (const server of servers.slice(0, SERVERS_MAX)) {
    try {
      return await joinBy(app, join, server)
    } catch (error) {
      failure = asMatrixError(server, error)
      app.log.info({ room: join.roomId, server, reason: failure.message }, 'a server did not let us in')
    }
  }
  throw failure
}

const ERRCODE = /^[A-Za-z0-9_.]{1,100}$/

/** What a client should know of another server's refusal. Errors: what is neither refusal nor silence. */
export function asMatrixError(server: ServerName, error: unknown): MatrixError {
  if (error instanceof MatrixError) return error
  if (error instanceof Unreachable) return new MatrixError('M_UNKNOWN', `${server} cannot be reached.`, {}, 502)
  if (!(error instanceof Refused)) throw error
  // Also what only that server knows: clients may know it too.
  const known = ERRCODE.test(error.errcode) ? (error.errcode as Errcode) : 'M_UNKNOWN'
  const version = own(error.body, 'room_version')
  const extra = typeof version === 'string' ? { room_version: version } : {}
  return new MatrixError(known, `${server}: ${error.message}`, extra, error.status >= 500 ? 502 : error.status)
}

async function joinBy(app: App, join: RemoteJoin, server: ServerName): Promise<EventId> {
  const template = await membershipTemplate(app, server, 'join', join.roomId, join.userId)
  const voucher = own(template.content, 'join_authorised_via_users_server')
  const content = {
    ...join.content,
    ...(await memberProfile(app, join.userId)),
    membership: 'join',
    ...(typeof voucher === 'string' && template.version.restricted
      ? { join_authorised_via_users_server: voucher }
      : {}),
  }
  const event = builtFrom(app, template, join, content)
  const path = `/send_join/${encodeURIComponent(join.roomId)}/${encodeURIComponent(event.eventId)}?omit_members=true`
  const limits = { timeoutMs: JOIN_TIMEOUT_MS, maxBytes: JOIN_BYTES_MAX }
  const answer = await sendByV2(app, server, path, { content: event.pdu, ...limits })
  await enter(app, { join, server, version: template.version, event, answer, vouched: typeof voucher === 'string' })
  return event.eventId
}

/** What a server offers as the frame of a member event. Only these parts of it are ever signed by us. */
export interface Template {
  readonly version: RoomVersion
  readonly content: JsonObject
  readonly depth: number
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
}

/** Asks for a template. Errors: Refused, Unreachable, M_UNSUPPORTED_ROOM_VERSION, M_BAD_JSON. */
export async function membershipTemplate(
  app: App,
  server: ServerName,
  membership: 'join' | 'leave' | 'knock',
  roomId: RoomId,
  userId: UserId,
): Promise<Template> {
  const versions = membership === 'leave' ? '' : `?${[...ROOM_VERSIONS.keys()].map((id) => `ver=${id}`).join('&')}`
  const path = [`make_${membership}`, roomId, userId].map(encodeURIComponent).join('/')
  const uri = `/_matrix/federation/v1/${path}${versions}`
  const answer = await askServer(app, server, { method: 'GET', uri })
  const named = own(answer, 'room_version') ?? '1'
  const version = typeof named === 'string' ? roomVersion(named) : undefined
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `The room has a version that is not known: ${String(named)}`)
  const event = own(answer, 'event')
  if (!isObject(event)) throw new MatrixError('M_BAD_JSON', `${server} answers without a template.`)
  const depth = own(event, 'depth')
  const content = own(event, 'content')
  return {
    version,
    content: isObject(content) ? content : {},
    depth: typeof depth === 'number' && depth >= 0 ? Math.floor(depth) : 1,
    prevEvents: idsIn(own(event, 'prev_events'), PREV_EVENTS_MAX),
    authEvents: idsIn(own(event, 'auth_events'), AUTH_EVENTS_MAX),
  }
}

/** Our own member event in the frame of a template, built from what we wanted: nothing else is signed. */
export function builtFrom(
  app: App,
  template: Template,
  { roomId, userId }: { readonly roomId: RoomId; readonly userId: UserId },
  content: JsonObject,
): Event {
  const draft: EventDraft = {
    roomId,
    type: 'm.room.member',
    stateKey: userId,
    sender: userId,
    content,
    originServerTs: app.clock.now(),
    depth: template.depth,
    prevEvents: template.prevEvents,
    authEvents: template.authEvents,
  }
  return buildEvent(template.version, draft, app.serverName, app.key)
}

interface Entrance {
  readonly join: RemoteJoin
  readonly server: ServerName
  readonly version: RoomVersion
  readonly event: Event
  readonly answer: JsonObject
  /** The join needs the signature of another server, which the answer brings. */
  readonly vouched: boolean
}

async function enter(app: App, entrance: Entrance): Promise<void> {
  const { join, server, version, answer } = entrance
  const room = await roomNumber(app, join.roomId, version)
  const source: Source = { room, roomId: join.roomId, version, server }
  const state = await verifiedIn(app, source, own(answer, 'state') ?? [])
  const chain = await verifiedIn(app, source, own(answer, 'auth_chain') ?? [])
  checkCreate(version, state)
  const stored = await storeOutliers(app, room, version, [...chain, ...state])
  const numbers = state.flatMap(({ eventId, stateKey }) => (stateKey === null ? [] : (stored.get(eventId) ?? [])))
  const event = await joinEvent(app, entrance)
  if (await serverIsIn(app.db, room, app.serverName)) {
    await placeArrival(app, source, event)
    return
  }
  const servers = own(answer, 'members_omitted') === true ? serversIn(answer, server) : undefined
  await takeOverRoom(app, { room, roomId: join.roomId, version, join: event, state: numbers, servers })
  if (servers !== undefined) startCompleting(app, join.roomId)
}

/** The servers that are in the room with us, as the answer to a join names them. */
function serversIn(answer: JsonObject, asked: ServerName): ServerName[] {
  const named = own(answer, 'servers_in_room')
  const list = Array.isArray(named) ? (named as readonly JsonValue[]).slice(0, SERVERS_IN_ROOM_MAX) : []
  return [asked, ...list.filter((name) => typeof name === 'string').filter(isServerName)]
}

async function roomNumber(app: App, roomId: RoomId, version: RoomVersion): Promise<number> {
  const known = await roomById(app.db, roomId)
  if (known !== undefined) return known.room
  const room = await app.db.nextId('room')
  await write(app, { guards: [], writes: [knowRoomOutside(room, roomId, version.id)], log: [] })
  return (await roomById(app.db, roomId))?.room ?? room
}

function checkCreate(version: RoomVersion, state: readonly VerifiedEvent[]): void {
  const create = state.find((event) => event.type === 'm.room.create' && event.stateKey === '')
  if (create === undefined) throw new MatrixError('M_BAD_JSON', 'The state has no create event.')
  if ((own(create.content, 'room_version') ?? '1') !== version.id)
    throw new MatrixError('M_BAD_JSON', 'The create event has another room version.')
}

/** Our event as the other server signed it too, if it is still ours. */
async function joinEvent(app: App, { version, event, answer, vouched }: Entrance): Promise<VerifiedEvent> {
  const returned: JsonValue | undefined = own(answer, 'event')
  if (!vouched || returned === undefined) return ownEvent(event)
  const signed = await verifyPdu(app, version, returned)
  if (signed.eventId !== event.eventId) throw new MatrixError('M_BAD_JSON', 'The server answers with another event.')
  return signed
}

/** Event ids, also out of the pairs of room versions 1 and 2. */
function idsIn(value: JsonValue | undefined, max: number): EventId[] {
  const list = Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, max) : []
  const ids = list.map((item) => (Array.isArray(item) ? (item as readonly JsonValue[])[0] : item))
  return ids.filter((id): id is EventId => typeof id === 'string' && isEventId(id))
}
