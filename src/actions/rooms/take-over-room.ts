import type { App } from '../../app.ts'
import { authorise } from '../../core/auth/authorise.ts'
import { type EventId, type RoomId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { stateMapKey } from '../../core/state/map.ts'
import { logPosition } from '../../db/sql.ts'
import type { RoomTip, StateEntry } from '../../live/room-tip.ts'
import { insertGap } from '../../store/gaps.ts'
import { type PduRow, pdusByNumber, stateEventOf } from '../../store/pdus.ts'
import { serverJoins } from '../../store/room-servers.ts'
import {
  countMembers,
  forgetResident,
  knowRoom,
  membersGone,
  noteResident,
  serversGone,
  takeOverState,
  WHOLE_STATE_NUMBER,
} from '../../store/room-takeover.ts'
import { headsAreStill, headsOf, replaceHeads } from '../../store/rooms.ts'
import type { VerifiedEvent } from '../federation/verify-pdu.ts'
import { enqueue } from '../write.ts'
import { type Draft, extendRoom } from './room-draft.ts'
import { emptyTip } from './room-writer.ts'
import { consequences, memberRows } from './state-consequences.ts'

export interface Takeover {
  readonly room: number
  readonly roomId: RoomId
  readonly version: RoomVersion
  /** Our join, which becomes the only end of the room. */
  readonly join: VerifiedEvent
  /** Numbers of the stored state events before it. */
  readonly state: readonly number[]
  /** The servers in the room, where the state lacks most members; first the one that told it. */
  readonly servers?: readonly ServerName[] | undefined
}

/** The first event of a room that others began: older ones are fetched later, and stand before it. */
const FIRST_TOPO = 1_000_000_000

/**
 * Enters a room with the state that a server in it told us: from one moment to the next the room is there, as a whole
 * or without most of its members, whom `completeRoom` fetches then.
 * Errors: M_FORBIDDEN when that state does not allow the join.
 */
export async function takeOverRoom(app: App, takeover: Takeover): Promise<void> {
  const rows = (await pdusByNumber(app.db, takeover.state)).filter(
    (row) => row.rejected === 0 && row.room === takeover.room,
  )
  const state = stateOf(rows)
  checkJoin(takeover, state)
  const committed = await app.live.roomTips.exclusively(takeover.room, async () => {
    const draft = await drafted(app, takeover, rows, state)
    const outcome = await enqueue(app, { guards: draft.guards, writes: draft.writes, log: draft.log })
    return { tip: undefined, result: outcome.committed }
  })
  if (!committed) throw new MatrixError('M_UNKNOWN', 'The room changed meanwhile; try again.', {}, 503)
}

function stateOf(rows: readonly PduRow[]): Map<string, StateEntry> {
  const state = new Map<string, StateEntry>()
  for (const row of rows) {
    if (row.state_key === null) continue
    state.set(stateMapKey(row.type, row.state_key), { event: row.event, value: stateEventOf(row) })
  }
  return state
}

function checkJoin({ version, join }: Takeover, state: ReadonlyMap<string, StateEntry>): void {
  const verdict = authorise(version, join, (type, stateKey) => state.get(stateMapKey(type, stateKey))?.value)
  if (!verdict.allowed) throw new MatrixError('M_FORBIDDEN', `The room does not allow it: ${verdict.reason}`)
}

async function drafted(
  app: App,
  takeover: Takeover,
  rows: readonly PduRow[],
  state: Map<string, StateEntry>,
): Promise<Draft> {
  const { room, roomId, version, join } = takeover
  const before = await headsOf(app.db, room)
  const snapshot = await app.db.nextId('snapshot')
  const tip: RoomTip = {
    ...emptyTip(room, version, roomId),
    topo: Math.max(FIRST_TOPO, ...before.map((head) => head.topo)),
    snapshots: [{ snapshot, number: WHOLE_STATE_NUMBER }],
    state,
  }
  const replaced = before.map((head) => head.event)
  const guards = [headsAreStill(room, replaced)]
  const draft: Draft = { isNew: true, tip, writes: [], guards, log: [], events: [] }
  const create = state.get(stateMapKey('m.room.create', ''))
  const [resident] = takeover.servers ?? []
  const partial = resident !== undefined
  draft.writes.push(partial ? noteResident(room, { server: resident, since: app.clock.now() }) : forgetResident(room))
  draft.writes.push(knowRoom({ room, roomId, version: version.id, partial }, create?.event ?? 0, app.clock.now()))
  draft.writes.push(
    ...takeOverState(
      room,
      snapshot,
      rows.map((row) => row.event),
      join.stateKey ?? '',
      logPosition(0),
    ),
  )
  const entries = [...state.values()].filter(({ value }) => !replaces(join, value))
  const others = entries.filter(({ value }) => value.type === 'm.room.member')
  for (const entry of entries.filter(({ value }) => value.type !== 'm.room.member')) {
    const change = { type: entry.value.type, stateKey: entry.value.stateKey ?? '', entry, previous: undefined }
    draft.writes.push(...consequences(room, change, logPosition(0)))
  }
  draft.writes.push(...memberRows(room, others, logPosition(0)))
  const members = [join.stateKey ?? '', ...others.map(({ value }) => value.stateKey ?? '')]
  const servers = [...new Set([...members.map(serverNameOf), ...(takeover.servers ?? [])])]
  for (const server of takeover.servers ?? []) draft.writes.push(serverJoins(room, server, logPosition(0)))
  draft.writes.push(...membersGone(room, members, logPosition(0)), serversGone(room, servers, logPosition(0)))
  const named = join.authEvents.flatMap((id) => numberOf(rows, id))
  await extendRoom(app, draft, { event: join, authEvents: named })
  for (const id of join.prevEvents) draft.writes.push(insertGap(room, join.eventId, id))
  const ends = draft.tip.heads.map((head) => head.event)
  const last = draft.tip.snapshots[0]?.snapshot ?? null
  draft.writes.push(...replaceHeads(room, replaced, ends, last), countMembers(room))
  return draft
}

function replaces(join: VerifiedEvent, { type, stateKey }: StateEntry['value']): boolean {
  return type === join.type && stateKey === join.stateKey
}

function numberOf(rows: readonly PduRow[], id: EventId): number[] {
  return rows.filter((row) => row.event_id === id).map((row) => row.event)
}
