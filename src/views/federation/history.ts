import type { App } from '../../app.ts'
import type { EventId, ServerName } from '../../core/ids.ts'
import { parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { redactPdu } from '../../core/redact.ts'
import { visibleToServer } from '../../core/visibility.ts'
import { eventsByNumber, eventsNearTime } from '../../store/events.ts'
import { type PduRow, parentsOf, pduOf, pdusById, pdusByNumber, pduText } from '../../store/pdus.ts'
import { membersOfServer } from '../../store/room-servers.ts'
import { stateAt } from '../../store/state.ts'
import { erasedUsers } from '../../store/users.ts'
import { keptEvents } from '../expired.ts'
import type { KnownRoom } from './room-access.ts'

/** Events that one answer holds at the most. */
export const BACKFILL_MAX = 100
export const MISSING_EVENTS_MAX = 20
/** Generations passed on the way back. */
const STEPS_MAX = 200

/** Events up to these and before them, the newest first (Server-Server API, "Backfilling"), as PDU texts. */
export async function backfill(
  app: App,
  room: KnownRoom,
  server: ServerName,
  from: readonly string[],
  limit: number,
): Promise<string[]> {
  const ends = (await pdusById(app.db, from)).filter((row) => row.room === room.row.room && row.outlier === 0)
  const accepted = ends.filter((row) => row.rejected === 0 && row.soft_failed === 0)
  const found = await walkBack(app, accepted, { limit: Math.min(limit, BACKFILL_MAX), refusedToo: false })
  return shownTo(app, room, server, await keptEvents(app, found))
}

/**
 * Events between the earliest and the latest ones, the oldest first, as PDU texts. Also those that we refused: others
 * rest on them, and whoever asks refuses them alike.
 */
export async function missingEvents(
  app: App,
  room: KnownRoom,
  server: ServerName,
  gap: { earliest: readonly EventId[]; latest: readonly EventId[]; limit: number; minDepth: number },
): Promise<string[]> {
  const known = new Set(gap.earliest)
  const latest = (await pdusById(app.db, gap.latest)).filter((row) => row.room === room.row.room)
  const wanted = (row: PduRow) => !known.has(row.event_id) && row.depth >= gap.minDepth
  const numbers = latest.map((row) => row.event)
  const starts = (await parentsOf(app.db, numbers, true)).filter(wanted)
  const limit = Math.min(gap.limit, MISSING_EVENTS_MAX)
  const found = await walkBack(app, starts, { limit, refusedToo: true, wanted })
  return shownTo(app, room, server, found.reverse())
}

interface Walk {
  readonly limit: number
  readonly refusedToo: boolean
  readonly wanted?: (row: PduRow) => boolean
}

/** The events and those before them in the order of history, the newest first. */
async function walkBack(
  app: App,
  starts: readonly PduRow[],
  { limit, refusedToo, wanted = () => true }: Walk,
): Promise<PduRow[]> {
  const found = new Map<EventId, PduRow>()
  let frontier = starts
  for (let step = 0; step < STEPS_MAX && frontier.length > 0; step++) {
    for (const row of frontier) found.set(row.event_id, row)
    if (found.size >= limit) break
    const numbers = frontier.map((row) => row.event)
    const parents = await parentsOf(app.db, numbers, refusedToo)
    frontier = parents.filter((row) => !found.has(row.event_id) && wanted(row))
  }
  const newestFirst = [...found.values()].sort((a, b) => b.topo - a.topo || b.event - a.event)
  return newestFirst.slice(0, limit)
}

/** Events near a time that are looked at for one that the server may see. */
const NEAR_MAX = 50

/** The event nearest to a time that the server may see. Errors: M_NOT_FOUND. */
export async function eventNearTime(
  app: App,
  room: KnownRoom,
  server: ServerName,
  { ts, dir }: { readonly ts: number; readonly dir: 'b' | 'f' },
): Promise<{ event_id: EventId; origin_server_ts: number }> {
  const near = await eventsNearTime(app.db, room.row.room, ts, dir, app.db.safePosition(), NEAR_MAX, 0)
  const numbers = near.map((row) => row.event)
  const rows = await keptEvents(app, await pdusByNumber(app.db, numbers))
  const seen = await seenBy(app, room, server, rows)
  const nearest = near.find((row) => seen.has(row.event))
  if (nearest === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no event that near.')
  return { event_id: nearest.event_id, origin_server_ts: nearest.origin_server_ts }
}

/** As the server may see them: redacted where it may not see the content, or it is kept no longer. */
export async function shownTo(
  app: App,
  room: KnownRoom,
  server: ServerName,
  rows: readonly PduRow[],
): Promise<string[]> {
  const seen = await seenBy(app, room, server, await keptEvents(app, rows))
  return rows.map((row) => (seen.has(row.event) ? pduText(row) : JSON.stringify(redactPdu(room.version, pduOf(row)))))
}

/**
 * The numbers of those that the history visibility shows to the server, without what users said who asked for it to be
 * forgotten.
 */
async function seenBy(
  app: App,
  room: KnownRoom,
  server: ServerName,
  rows: readonly PduRow[],
): Promise<ReadonlySet<number>> {
  if (rows.length === 0) return new Set()
  const members = await membersOfServer(app.db, room.row.room, server)
  const joinedNow = members.some((member) => member.membership === 'join')
  const numbers = rows.map((row) => row.event)
  const settings = new Map((await eventsByNumber(app.db, numbers)).map((row) => [row.event, row.history_visibility]))
  const erased = await erasedUsers(app.db, [...new Set(rows.map((row) => row.sender))])
  const users = members.map((member) => member.user_id)
  const before = new Map<number, readonly string[]>()
  const seen = new Set<number>()
  for (const row of rows) {
    if (erased.has(row.sender)) continue
    // State that came as such: the server may ask for the whole of it, and would keep what is left of a redaction.
    if (row.outlier === 1 && row.state_key !== null) {
      seen.add(row.event)
      continue
    }
    const visibility = settings.get(row.event) ?? 'shared'
    const easy = visibility === 'shared' || visibility === 'world_readable' || row.snapshot === null
    const known = easy ? [] : before.get(row.snapshot!)
    const memberships = known ?? (await membershipsAt(app, row.snapshot!, users))
    if (!easy) before.set(row.snapshot!, memberships)
    if (visibleToServer({ visibility, memberships, joinedSince: joinedNow })) seen.add(row.event)
  }
  return seen
}

async function membershipsAt(app: App, snapshot: number, users: readonly string[]): Promise<string[]> {
  const own = await stateAt(app.db, snapshot, { members: users, others: false })
  const events = await eventsByNumber(
    app.db,
    own.map((row) => row.event),
  )
  return events.flatMap((event) => {
    const { membership } = parseJson(event.content) as { membership?: unknown }
    return typeof membership === 'string' ? [membership] : []
  })
}
