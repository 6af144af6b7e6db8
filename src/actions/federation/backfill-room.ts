import type { App } from '../../app.ts'
import type { EventId } from '../../core/ids.ts'
import { own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomVersion } from '../../core/room-version.ts'
import type { Sql } from '../../db/sql.ts'
import { askServer, federationPath, Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { closeGaps, type GapRow, gapsOf, insertGap, moveIntoHistory } from '../../store/gaps.ts'
import { knownInHistory, pdusById } from '../../store/pdus.ts'
import { serversIn } from '../../store/room-servers.ts'
import { roomById } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { isKept } from '../rooms/purge-events.ts'
import { statesOfHistory, storeHistoryStates } from './backfill-states.ts'
import { fetchAuthChain, type Source, verifiedIn } from './fetch-missing.ts'
import { storeOutliers } from './store-outliers.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

/** Gaps that are asked about together, events asked for, and servers asked until one has some. */
const GAPS_MAX = 20
const EVENTS_MAX = 100
const SERVERS_MAX = 3
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 8_388_608
/** Auth chains fetched for one page of history. */
const AUTH_CHAINS_MAX = 5

/**
 * Fetches history before the earliest gap of a room (Server-Server API, "Backfilling") and resolves with whether there
 * is more of it now. Servers that are away or refuse are passed over.
 */
export async function backfillRoom(app: App, roomId: string): Promise<boolean> {
  const room = await roomById(app.db, roomId)
  const version = roomVersion(room?.version ?? '')
  if (room === undefined || version === undefined) return false
  const gaps = await gapsOf(app.db, room.room, GAPS_MAX)
  const [latest] = gaps
  if (latest === undefined || !(await isKept(app, room.room, latest.event, latest.origin_server_ts))) return false
  const servers = (await serversIn(app.db, room.room)).filter((server) => server !== app.serverName)
  for (const server of servers.slice(0, SERVERS_MAX)) {
    try {
      if (await backfillFrom(app, { room: room.room, roomId: room.room_id, version, server }, gaps)) return true
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof Refused || error instanceof MatrixError)) throw error
      app.log.info({ room: roomId, server, reason: error.message }, 'a server gives no earlier history')
    }
  }
  return false
}

async function backfillFrom(app: App, source: Source, gaps: readonly GapRow[]): Promise<boolean> {
  const wanted = gaps.map((gap) => `v=${encodeURIComponent(gap.missing_event_id)}`).join('&')
  const uri = `${federationPath`/v1/backfill/${source.roomId}`}?limit=${EVENTS_MAX}&${wanted}`
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
  const answer = await askServer(app, source.server, { method: 'GET', uri, ...limits })
  const given = (await verifiedIn(app, source, own(answer, 'pdus') ?? [])).slice(0, EVENTS_MAX)
  const known = await knownInHistory(
    app.db,
    given.map((event) => event.eventId),
  )
  const reached = reachedFrom(
    gaps,
    given.filter((event) => !known.has(event.eventId)),
  )
  if (reached.length === 0) return false
  const numbers = await kept(app, source, reached)
  const { writes, placed } = await historyWrites(app, source, { gaps, reached, numbers })
  const log = [...numbers.keys()].map((eventId) => ({ kind: 'history', subject: eventId }))
  await append(app, source.roomId, async (writer) => {
    writer.also({ writes, log })
    for (const event of placed) await writer.redactEarlier(event, numbers.get(event.eventId)!)
  })
  return numbers.size > 0
}

/** The events that the gaps lead to, directly or not, the newest first: what else a server sends has no place. */
function reachedFrom(gaps: readonly GapRow[], events: readonly VerifiedEvent[]): VerifiedEvent[] {
  const byId = new Map(events.map((event) => [event.eventId, event]))
  const reached = new Map<EventId, VerifiedEvent>()
  const stack = gaps.map((gap) => gap.missing_event_id)
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    const event = byId.get(id)
    if (event === undefined || reached.has(id)) continue
    reached.set(id, event)
    stack.push(...event.prevEvents)
  }
  return [...reached.values()].sort((a, b) => b.depth - a.depth)
}

/** Stores the events by what authorises them, which is fetched where it is missing. */
async function kept(app: App, source: Source, events: readonly VerifiedEvent[]): Promise<ReadonlyMap<EventId, number>> {
  let numbers = await storeOutliers(app, source.room, source.version, events)
  for (const event of events.filter(({ eventId }) => !numbers.has(eventId)).slice(0, AUTH_CHAINS_MAX)) {
    await fetchAuthChain(app, source, event.eventId)
    numbers = await storeOutliers(app, source.room, source.version, events)
    if (numbers.size === events.length) break
  }
  return numbers
}

interface Found {
  readonly gaps: readonly GapRow[]
  /** The newest first. */
  readonly reached: readonly VerifiedEvent[]
  readonly numbers: ReadonlyMap<EventId, number>
}

/** The events stand one behind the other before the earliest event of a gap; what they name in turn is a gap again. */
async function historyWrites(
  app: App,
  source: Source,
  { gaps, reached, numbers }: Found,
): Promise<{ readonly writes: Sql[]; readonly placed: readonly VerifiedEvent[] }> {
  const edge = gaps.reduce((first, gap) => (gap.topo < first.topo ? gap : first))
  const rejected = new Set(
    (await pdusById(app.db, [...numbers.keys()])).flatMap((row) => (row.rejected ? row.event_id : [])),
  )
  const good = reached.filter(({ eventId }) => numbers.has(eventId) && !rejected.has(eventId))
  const states = await statesOfHistory(app, source, good, edge.snapshot)
  const placed = good.filter(({ eventId }) => !states.refused.has(eventId))
  const partial = (await roomById(app.db, source.roomId))?.partial_state === 1
  const stored = await storeHistoryStates(app, { room: source.room, edge: edge.snapshot, partial }, placed, states)
  const writes: Sql[] = [...stored.writes]
  for (const [index, event] of placed.entries()) {
    const { snapshot = null, previous = null, historyVisibility } = stored.placings.get(event.eventId) ?? {}
    const visibility = historyVisibility ?? edge.history_visibility ?? 'shared'
    const place = { topo: edge.topo - index - 1, historyVisibility: visibility, snapshot, previous }
    writes.push(moveIntoHistory(numbers.get(event.eventId)!, place))
  }
  const held = new Set(reached.map((event) => event.eventId))
  const parents = [...new Set(placed.flatMap((event) => event.prevEvents))].filter((id) => !held.has(id))
  const known = await knownInHistory(app.db, parents)
  for (const event of placed) {
    for (const id of event.prevEvents) {
      if (!held.has(id) && !known.has(id)) writes.push(insertGap(source.room, event.eventId, id))
    }
  }
  return { writes: [...writes, closeGaps(source.room, [...held])], placed }
}
