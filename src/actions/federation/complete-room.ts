import type { App } from '../../app.ts'
import type { RoomId, ServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomVersion } from '../../core/room-version.ts'
import { logPosition } from '../../db/sql.ts'
import { MEMBERS_KNOWN, NO_MEMBERS_LACKED } from '../../live/room-members.ts'
import type { StateEntry } from '../../live/room-tip.ts'
import { Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { type PduRow, pdusByNumber, stateEventOf } from '../../store/pdus.ts'
import { serverIsIn, serversIn } from '../../store/room-servers.ts'
import {
  addToWholeState,
  countMembers,
  forgetResident,
  joinedServers,
  membersAreComing,
  membersAreKnown,
  membersWereAdded,
  residentOf,
  serversGone,
  type WholeState,
  wholeStateOf,
} from '../../store/room-takeover.ts'
import { type RoomRow, roomById } from '../../store/rooms.ts'
import { memberRows } from '../rooms/state-consequences.ts'
import { write } from '../write.ts'
import { type Source, storeWholeState } from './fetch-missing.ts'
import { startInbox } from './receive-transaction.ts'

/** Servers asked until one gives the members. */
const SERVERS_MAX = 10
/** Members in one batch, so that no other writer waits long. */
const BATCH_MEMBERS = 100

/**
 * Who let us in tells the members, as it has told the rest of the state; another server may tell what it likes. Only
 * when it has been silent for so long, the others are asked.
 */
const RESIDENT_ALONE_MS = 600_000

/** Fetches the members of a room that was joined without them. Resolves when they came, or could not be had now. */
export function startCompleting(app: App, roomId: RoomId): Promise<void> {
  return app.live.completing.run(roomId, () => completeRoom(app, roomId))
}

/**
 * Fetches the members that a join left out (Server-Server API, "Joining Rooms", `members_omitted`) from one of the
 * servers in the room, and puts them below everything that happened since. They come in small batches: what is cut off
 * amid them is begun again, and only the last batch says that the room is whole.
 */
export async function completeRoom(app: App, roomId: RoomId): Promise<void> {
  const room = await roomById(app.db, roomId)
  const version = roomVersion(room?.version ?? '')
  if (room === undefined || version === undefined || room.partial_state === 0) return
  const state = await wholeStateOf(app.db, room.room)
  // Whoever left again needs no members, and nobody would tell us.
  const away = state === undefined || !(await serverIsIn(app.db, room.room, app.serverName))
  if (away || (await fetchMembers(app, room, { room: room.room, roomId, version, server: app.serverName }, state))) {
    await finish(app, room, state)
    startInbox(app, roomId)
  }
}

async function fetchMembers(app: App, room: RoomRow, source: Source, state: WholeState): Promise<boolean> {
  for (const server of await serversToAsk(app, room)) {
    if (app.live.completing.closed) return false
    try {
      const told = await storeWholeState(app, { ...source, server }, state.join)
      return await addMembers(
        app,
        room,
        state,
        told.state.map((id) => told.stored.get(id)!),
      )
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof Refused || error instanceof MatrixError)) throw error
      app.log.info(
        { room: room.room_id, server, reason: error.message },
        'a server does not tell the members of a room',
      )
    }
  }
  return false
}

async function serversToAsk(app: App, { room }: RoomRow): Promise<ServerName[]> {
  const resident = await residentOf(app.db, room)
  if (resident !== undefined && app.clock.now() - resident.since < RESIDENT_ALONE_MS) return [resident.server]
  const others = (await serversIn(app.db, room)).filter((server) => server !== app.serverName)
  // Others each time: the first ones may all be gone for good.
  const first = others.length > SERVERS_MAX ? app.random.bytes(4).readUInt32BE() % others.length : 0
  return [...others.slice(first), ...others.slice(0, first)].slice(0, SERVERS_MAX)
}

/** False when it was cut off, or another process had them all: from then on they come and go. */
async function addMembers(app: App, room: RoomRow, state: WholeState, events: readonly number[]): Promise<boolean> {
  for (let start = 0; start < events.length; start += BATCH_MEMBERS) {
    if (app.live.completing.closed) return false
    const rows = await pdusByNumber(app.db, events.slice(start, start + BATCH_MEMBERS))
    const lacking = rows.filter(
      ({ type, state_key: member, rejected }) =>
        type === 'm.room.member' && member !== null && rejected === 0 && !state.members.has(member),
    )
    const writes = addToWholeState(
      room.room,
      state.snapshot,
      lacking.map((row) => row.event),
    )
    writes.push(...memberRows(room.room, lacking.map(entryOfRow), logPosition(0)))
    const batch = { guards: [membersAreComing(room.room, state)], writes, log: [LOG_ROW] }
    if ((await write(app, batch)) === undefined) return false
  }
  return !app.live.completing.closed
}

/** Gives the batch a position, and concerns nobody: clients hear of the members when all are there. */
const LOG_ROW = { kind: 'members_coming' }

function entryOfRow(row: PduRow): StateEntry {
  return { event: row.event, value: stateEventOf(row) }
}

/** The room is whole: servers that have no members are not in it, whatever the answer to the join said. */
async function finish(app: App, { room, room_id: roomId }: RoomRow, state: WholeState | undefined): Promise<void> {
  const servers = new Set<ServerName>(await joinedServers(app.db, room))
  const writes = [
    serversGone(room, [...servers], logPosition(0)),
    countMembers(room),
    membersAreKnown(room),
    forgetResident(room),
  ]
  const guards = [membersAreComing(room, state)]
  const lacked = state !== undefined && (await membersWereAdded(app.db, room, state.join))
  const log = [{ kind: lacked ? MEMBERS_KNOWN : NO_MEMBERS_LACKED, room }]
  if ((await write(app, { guards, writes, log })) === undefined) return
  app.live.states.clear()
  app.log.info({ room: roomId, servers: servers.size }, 'all members of the room are known')
}
