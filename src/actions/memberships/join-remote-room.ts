import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { type EventId, isServerName, type RoomId, type ServerName, type UserId } from '../../core/ids.ts'
import { type JsonObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { sendByV2 } from '../../remote/ask-server.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { knowRoomOutside } from '../../store/room-takeover.ts'
import { roomById } from '../../store/rooms.ts'
import { byServers } from '../federation/by-servers.ts'
import { startCompleting } from '../federation/complete-room.ts'
import { type Source, verifiedIn } from '../federation/fetch-missing.ts'
import { placeArrival } from '../federation/receive-pdus.ts'
import { storeOutliers } from '../federation/store-outliers.ts'
import { ownEvent, type VerifiedEvent, verifyPdu } from '../federation/verify-pdu.ts'
import { takeOverRoom } from '../rooms/take-over-room.ts'
import { write } from '../write.ts'
import { memberProfile } from './change-membership.ts'
import { builtFrom, membershipTemplate } from './membership-template.ts'

export interface RemoteJoin {
  readonly roomId: RoomId
  readonly userId: UserId
  /** Servers that may be in the room, asked in this order. */
  readonly servers: readonly ServerName[]
  readonly content: JsonObject
}

const SERVERS_IN_ROOM_MAX = 20_000
const JOIN_TIMEOUT_MS = 120_000
const JOIN_BYTES_MAX = 104_857_600
/** Of a state of two hundred thousand events. */
const JOIN_VALUES_MAX = 10_000_000
/** How long a join waits for the members that it left out: those of a small room are there when it is answered. */
const MEMBERS_WAIT_MS = 150

/**
 * Joins a room that this server is not in, by way of a server that is (Server-Server API, "Joining Rooms"). Errors:
 * what the last server said, as far as clients know it; M_UNKNOWN (502) when none could be reached.
 */
export async function joinRemoteRoom(app: App, join: RemoteJoin): Promise<EventId> {
  return byServers(app, join.roomId, join.servers, (server) => joinBy(app, join, server))
}

async function joinBy(app: App, join: RemoteJoin, server: ServerName): Promise<EventId> {
  const member = { roomId: join.roomId, userId: join.userId, membership: 'join' as const }
  const template = await membershipTemplate(app, server, member)
  const voucher = own(template.content, 'join_authorised_via_users_server')
  const content = {
    ...join.content,
    ...(await memberProfile(app, join.userId)),
    ...(typeof voucher === 'string' && template.version.restricted
      ? { join_authorised_via_users_server: voucher }
      : {}),
  }
  const event = builtFrom(app, template, member, content)
  const path = `/send_join/${encodeURIComponent(join.roomId)}/${encodeURIComponent(event.eventId)}?omit_members=true`
  const limits = { timeoutMs: JOIN_TIMEOUT_MS, maxBytes: JOIN_BYTES_MAX, maxValues: JOIN_VALUES_MAX }
  const answer = await sendByV2(app, server, path, { content: event.pdu, ...limits })
  await enter(app, { join, server, version: template.version, event, answer, vouched: typeof voucher === 'string' })
  return event.eventId
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
  if (servers === undefined) return
  const late = new Promise<void>((resolve) => void app.timers.after(MEMBERS_WAIT_MS, resolve))
  await Promise.race([startCompleting(app, join.roomId), late])
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
