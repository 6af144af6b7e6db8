import type { EventId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'

/** A predecessor that is not held, and the event that names it: history goes on behind it on other servers. */
export interface GapRow {
  readonly event: number
  readonly event_id: EventId
  readonly missing_event_id: EventId
  readonly topo: number
  readonly origin_server_ts: number
  readonly history_visibility: string | null
  /** The state before the event. */
  readonly snapshot: number | null
}

/** The gaps of a room, the latest in its history first. */
export function gapsOf(db: Database, room: number, limit: number): Promise<GapRow[]> {
  return db.read(sql`SELECT g.event, e.event_id, g.missing_event_id, e.topo, e.origin_server_ts, e.history_visibility,
      e.snapshot FROM gaps g JOIN events e ON e.event = g.event
    WHERE g.room = ${room} ORDER BY e.topo DESC, g.missing_event_id LIMIT ${limit}`)
}

/** Tells that a predecessor of the event is not held. */
export function insertGap(room: number, eventId: EventId, missing: EventId): Sql {
  return sql`INSERT INTO gaps (room, event, missing_event_id)
    SELECT ${room}, event, ${missing} FROM events WHERE event_id = ${eventId}
    ON CONFLICT (room, missing_event_id, event) DO NOTHING`
}

/** The events are held now. */
export function closeGaps(room: number, eventIds: readonly EventId[]): Sql {
  return sql`DELETE FROM gaps WHERE room = ${room} AND missing_event_id IN ${textList(eventIds)}`
}

/** Where an event stands in the history from before our time. `snapshot`: the state before it. */
export interface EarlierPlace {
  readonly topo: number
  readonly historyVisibility: string
  readonly snapshot: number | null
  readonly previous: number | null
}

/** An outlier that is no longer one: it stands in the room's history, before whatever this server has seen. */
export function moveIntoHistory(event: number, place: EarlierPlace): Sql {
  return sql`UPDATE events SET outlier = 0, topo = ${place.topo}, history_visibility = ${place.historyVisibility},
    snapshot = ${place.snapshot}, previous = ${place.previous}
    WHERE event = ${event} AND outlier = 1`
}
