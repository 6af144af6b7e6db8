import type { Database, Guard } from '../db/database.ts'
import { intList, type Sql, sql } from '../db/sql.ts'
import type { HistoryPlace } from './events.ts'
import { expireContents, type Remains } from './redactions.ts'

/**
 * Beside 1, for what was refused, `soft_failed` has this for a message that is shown to nobody any more: what is left
 * of it keeps its place among the predecessors of others.
 */
export const PURGED = 2

/** An event that may have to go. */
export interface OldRow {
  readonly event: number
  readonly origin_server_ts: number
  readonly topo: number
  readonly sender: string
  readonly version: string | null
  /** A message that is not purged, and not an end of the room. */
  readonly wanted: number
  /** Empty where it is not wanted. */
  readonly content: string
  readonly envelope: string
}

const WANTED = sql`e.state_key IS NULL AND e.soft_failed < ${PURGED}
  AND NOT EXISTS (SELECT 1 FROM heads h WHERE h.room = e.room AND h.event = e.event)`
const COLUMNS = sql`e.event, e.origin_server_ts, e.topo, e.sender, r.version,
  CASE WHEN ${WANTED} THEN 1 ELSE 0 END AS wanted, CASE WHEN ${WANTED} THEN e.content ELSE '' END AS content,
  CASE WHEN ${WANTED} THEN e.envelope ELSE '' END AS envelope`

/** The next events of a room by their time, from before a time: milliseconds since 1970. */
export function eventsOlderThan(
  db: Database,
  { room, purged_ts: ts, purged_event: event }: RetentionRow,
  beforeTs: number,
  limit: number,
): Promise<OldRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events e JOIN rooms r ON r.room = e.room
    WHERE e.room = ${room} AND (e.origin_server_ts, e.event) > (${ts}, ${event}) AND e.origin_server_ts < ${beforeTs}
    ORDER BY e.origin_server_ts, e.event LIMIT ${limit}`)
}

/** The next events of a room in the order of its history, after a place and before another. */
export function eventsBetween(
  db: Database,
  room: number,
  after: HistoryPlace,
  before: HistoryPlace,
  limit: number,
): Promise<OldRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM events e JOIN rooms r ON r.room = e.room
    WHERE e.room = ${room} AND (e.topo, e.event) > (${after.topo}, ${after.event})
      AND (e.topo, e.event) < (${before.topo}, ${before.event}) AND e.outlier = 0
    ORDER BY e.topo, e.event LIMIT ${limit}`)
}

/** Takes the content of events and shows them to nobody any more. */
export function purgeEvents(remains: readonly Remains[]): Sql[] {
  if (remains.length === 0) return []
  const events = remains.map(({ event }) => event)
  return [
    ...expireContents(remains),
    sql`UPDATE events SET soft_failed = soft_failed + ${PURGED}
      WHERE event IN ${intList(events)} AND soft_failed < ${PURGED}`,
  ]
}

/** A room of which old messages may have to go, as it was looked at. */
export interface RetentionRow {
  readonly room: number
  /** All before this time and event was looked at. */
  readonly purged_ts: number
  readonly purged_event: number
  readonly late: number
}

/** A room that is due, the longest first. */
export async function dueRoom(db: Database, nowMs: number): Promise<RetentionRow | undefined> {
  const rows = await db.read<RetentionRow>(sql`SELECT room, purged_ts, purged_event, late FROM retention_rooms
    WHERE due_ts <= ${nowMs} ORDER BY due_ts LIMIT 1`)
  return rows[0]
}

/** Holds while nothing older came since, and nobody else went on with the room. */
export function roomIsAsLookedAt({ room, purged_ts, purged_event, late }: RetentionRow): Guard {
  return {
    about: `retention:${room}`,
    query: sql`SELECT purged_ts, purged_event, late FROM retention_rooms WHERE room = ${room}`,
    expect: [{ purged_ts, purged_event, late }],
  }
}

export function goOnAfter(row: RetentionRow, ts: number, event: number): Sql {
  return sql`UPDATE retention_rooms SET purged_ts = ${ts}, purged_event = ${event} WHERE ${isAsLookedAt(row)}`
}

/** All of the room before a time was looked at; it is due again later. */
export function doneUntil(row: RetentionRow, ts: number, dueTs: number): Sql {
  return sql`UPDATE retention_rooms SET purged_ts = ${ts}, purged_event = 0, due_ts = ${dueTs}
    WHERE ${isAsLookedAt(row)}`
}

/** Beside the guard: what comes late may stand in the same group, which sees the guard hold. */
function isAsLookedAt({ room, purged_ts, purged_event, late }: RetentionRow): Sql {
  return sql`room = ${room} AND late = ${late} AND purged_ts = ${purged_ts} AND purged_event = ${purged_event}`
}

/** A message came that is older than what may have been looked at. */
export function cameLate(room: number, ts: number): Sql {
  return sql`UPDATE retention_rooms SET late = late + 1, due_ts = 0,
    purged_ts = CASE WHEN purged_ts < ${ts} THEN purged_ts ELSE CAST(${ts} AS BIGINT) - 1 END WHERE room = ${room}`
}

/** The rules of the server have changed: every room is looked at again, from its beginning. */
export const lookAtAllAgain: Sql = sql`UPDATE retention_rooms SET due_ts = 0, purged_ts = -1, late = late + 1`

/** Rooms that have no policy of their own; up to `limit` at once. */
export function enlistRooms(limit: number): Sql {
  return sql`INSERT INTO retention_rooms (room) SELECT r.room FROM rooms r WHERE r.version IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM retention_rooms x WHERE x.room = r.room) LIMIT ${limit}
    ON CONFLICT (room) DO NOTHING`
}

/** Times of the room's messages: of the first from then on, and of the first end, both if there is any. */
export async function nextTimes(db: Database, room: number, fromTs: number) {
  const rows = await db.read<{ next: number | null; head: number | null }>(sql`SELECT
    (SELECT MIN(e.origin_server_ts) FROM events e WHERE e.room = ${room} AND e.origin_server_ts >= ${fromTs}) AS next,
    (SELECT MIN(e.origin_server_ts) FROM heads h JOIN events e ON e.event = h.event
      WHERE h.room = ${room} AND e.state_key IS NULL) AS head`)
  return rows[0]!
}
