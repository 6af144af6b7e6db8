import type { EventId, UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'
import { EVENT_COLUMNS, type EventRow, type HistoryPlace } from './events.ts'

/** A child as aggregations count it: without its content, which may be long. */
export interface ChildRow {
  readonly event: number
  readonly event_id: EventId
  readonly room: number
  readonly position: number | null
  readonly type: string
  readonly state_key: string | null
  readonly sender: UserId
  readonly origin_server_ts: number
  readonly history_visibility: string | null
  readonly content: string
  readonly relates_to: string
  readonly rel_type: string
  /** Children of the parent with this relation, and whether the user sent one of them. */
  readonly total: number
  readonly mine: number
}

const SHOWN = sql`e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0`

/** Of each parent and relation that is aggregated the newest `limit` children up to `to`, newest first. */
export function newestChildren(
  db: Database,
  parents: readonly string[],
  userId: string,
  to: number,
  limit: number,
): Promise<ChildRow[]> {
  return db.read(sql`SELECT * FROM (
      SELECT e.event, e.event_id, e.room, e.position, e.type, e.state_key, e.sender, e.origin_server_ts,
        e.history_visibility, '{}' AS content, e.relates_to, e.rel_type,
        COUNT(*) OVER (PARTITION BY e.relates_to, e.rel_type) AS total,
        MAX(CASE WHEN e.sender = ${userId} THEN 1 ELSE 0 END) OVER (PARTITION BY e.relates_to, e.rel_type) AS mine,
        ROW_NUMBER() OVER (PARTITION BY e.relates_to, e.rel_type ORDER BY e.topo DESC, e.event DESC) AS place
      FROM events e WHERE e.relates_to IN ${textList(parents)}
        AND e.rel_type IN ('m.replace', 'm.thread', 'm.reference')
        AND e.state_key IS NULL AND (e.position IS NULL OR e.position <= ${to}) AND ${SHOWN}) AS numbered
    WHERE place <= ${limit} ORDER BY relates_to, rel_type, place`)
}

/** Which children are asked for, and where in the history of the room. */
export interface ChildrenWanted {
  readonly room: number
  readonly parent: string
  readonly relType: string | undefined
  readonly eventType: string | undefined
  /** Steps from the parent: 1 for its own children alone. */
  readonly depth: number
}

/** Up to `limit` events below the parent before the place (`b`), or at and after it (`f`), of those `to` covers. */
export function childrenAt(
  db: Database,
  wanted: ChildrenWanted,
  dir: 'b' | 'f',
  place: HistoryPlace,
  to: number,
  limit: number,
): Promise<EventRow[]> {
  const here = sql`(${place.topo}, ${place.event})`
  const range = dir === 'b' ? sql`(e.topo, e.event) < ${here}` : sql`(e.topo, e.event) >= ${here}`
  const order = dir === 'b' ? sql`e.topo DESC, e.event DESC` : sql`e.topo, e.event`
  // A child that does not fit the filter hides what is below it.
  return db.read(sql`WITH RECURSIVE below (event, event_id, depth) AS (
      SELECT e.event, e.event_id, 1 FROM events e WHERE e.relates_to = ${wanted.parent} AND ${fits(wanted)}
      UNION SELECT e.event, e.event_id, b.depth + 1 FROM below b JOIN events e ON e.relates_to = b.event_id
        WHERE b.depth < ${wanted.depth} AND ${fits(wanted)})
    SELECT ${EVENT_COLUMNS} FROM events e WHERE e.event IN (SELECT event FROM below) AND ${range}
      AND (e.position IS NULL OR e.position <= ${to}) ORDER BY ${order} LIMIT ${limit}`)
}

/** The sign keeps SQLite from walking through the room for the few children. */
function fits({ room, relType, eventType }: ChildrenWanted): Sql {
  const byRelation = relType === undefined ? sql`1 = 1` : sql`e.rel_type = ${relType}`
  const byType = eventType === undefined ? sql`1 = 1` : sql`e.type = ${eventType}`
  return sql`+e.room = ${room} AND ${byRelation} AND ${byType} AND ${SHOWN}`
}

/** What relates to these events, as filters ask for it. */
export function relationsTo(
  db: Database,
  parents: readonly string[],
): Promise<{ relates_to: string; rel_type: string; sender: string }[]> {
  return db.read(sql`SELECT DISTINCT e.relates_to, e.rel_type, e.sender FROM events e
    WHERE e.relates_to IN ${textList(parents)} AND ${SHOWN}`)
}

/** The last replies of threads of the room, the newest first, from before the place. */
export function lastReplies(
  db: Database,
  room: number,
  userId: string | undefined,
  place: HistoryPlace,
  to: number,
  limit: number,
): Promise<{ topo: number; event: number; thread_root: string }[]> {
  const participated =
    userId === undefined
      ? sql`1 = 1`
      : sql`(EXISTS (SELECT 1 FROM events m WHERE m.thread_root = e.thread_root AND m.sender = ${userId})
          OR EXISTS (SELECT 1 FROM events m WHERE m.event_id = e.thread_root AND m.sender = ${userId}))`
  return db.read(sql`SELECT e.topo, e.event, e.thread_root FROM events e
    WHERE e.room = ${room} AND e.thread_root IS NOT NULL AND (e.topo, e.event) < (${place.topo}, ${place.event})
      AND (e.position IS NULL OR e.position <= ${to}) AND ${SHOWN} AND ${participated}
      AND NOT EXISTS (SELECT 1 FROM events n WHERE n.thread_root = e.thread_root AND +n.room = e.room
        AND (n.topo, n.event) > (e.topo, e.event) AND (n.position IS NULL OR n.position <= ${to})
        AND n.rejected = 0 AND n.soft_failed = 0 AND n.outlier = 0)
    ORDER BY e.topo DESC, e.event DESC LIMIT ${limit}`)
}

/** What one user annotated an event with, as the contents of events of this type. */
export function annotationsBy(
  db: Database,
  parent: string,
  userId: string,
  type: string,
): Promise<{ content: string }[]> {
  return db.read(sql`SELECT content FROM events WHERE relates_to = ${parent} AND rel_type = 'm.annotation'
    AND sender = ${userId} AND type = ${type}`)
}
