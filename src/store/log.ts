import type { Database } from '../db/database.ts'
import { intList, sql } from '../db/sql.ts'

export interface StoredLogRow {
  readonly position: number
  readonly kind: string
  readonly room: number | null
  readonly user_id: string | null
  readonly device_id: string | null
  readonly subject: string | null
}

/** Rows of the log with positions in (since, to], oldest first. */
export function logRows(db: Database, since: number, to: number, limit: number): Promise<StoredLogRow[]> {
  return db.read(sql`SELECT position, kind, room, user_id, device_id, subject FROM log
    WHERE position > ${since} AND position <= ${to} ORDER BY position LIMIT ${limit}`)
}

/** Kinds of news for a user between two positions: which rooms, and which things of the user's own. */
export function newsFor(
  db: Database,
  userId: string,
  rooms: readonly number[],
  since: number,
  to: number,
): Promise<{ kind: string; room: number | null }[]> {
  return db.read(sql`SELECT DISTINCT kind, room FROM log WHERE position > ${since} AND position <= ${to}
    AND (user_id = ${userId} OR room IN ${intList(rooms)})`)
}
