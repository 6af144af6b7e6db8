import type { CountedEvent } from '../core/unread.ts'
import type { Database } from '../db/database.ts'
import { intList, sql } from '../db/sql.ts'

export interface UnreadEvent extends CountedEvent {
  readonly room: number
  readonly event: number
}

const COLUMNS = sql`e.event, e.event_id, e.room, e.position, e.type, e.state_key, e.sender, e.origin_server_ts,
  e.content, e.thread_root, e.redacted_by`

/**
 * Of each room the events that the member may not have read yet, oldest first: up to `to`, after the joining, after
 * what a receipt for the whole room covers, and of those the newest `limit`.
 */
export function unreadEvents(
  db: Database,
  userId: string,
  rooms: readonly number[],
  to: number,
  limit: number,
): Promise<UnreadEvent[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM memberships m JOIN events e ON e.room = m.room
    WHERE m.user_id = ${userId} AND m.room IN ${intList(rooms)} AND e.position > m.position AND e.position <= ${to}
      AND e.position > COALESCE((SELECT MAX(x.position) FROM receipts r JOIN events x ON x.event = r.event
        WHERE r.room = m.room AND r.user_id = m.user_id AND r.thread = ''), 0)
      AND e.position > COALESCE((SELECT x.position FROM events x WHERE x.room = m.room AND x.position <= ${to}
        AND x.rejected = 0 AND x.soft_failed = 0 AND x.outlier = 0
        ORDER BY x.position DESC LIMIT 1 OFFSET ${limit}), 0)
      AND e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0
    ORDER BY m.room, e.position`)
}

/** Events of the room with positions in (since, to], oldest first. */
export function eventsToCount(
  db: Database,
  room: number,
  since: number,
  to: number,
  limit: number,
): Promise<UnreadEvent[]> {
  return db.read(sql`SELECT * FROM (SELECT ${COLUMNS} FROM events e WHERE e.room = ${room} AND e.position > ${since}
      AND e.position <= ${to} AND e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0
      ORDER BY e.position DESC LIMIT ${limit}) AS newest ORDER BY position`)
}
