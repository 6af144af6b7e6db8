import type { Database } from '../db/database.ts'
import { intList, type Sql, sql } from '../db/sql.ts'
import { APPSERVICE_CURSORS } from './appservice-transactions.ts'

/** A sync whose token is older than so many rows looks everything up instead: anything may have happened. */
export const NEWS_ROWS = 20_000

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

/** Whose news: the user's own, those of the device, and what concerns everybody in the rooms. */
export interface NewsOf {
  readonly userId: string
  readonly deviceId: string
  readonly rooms: readonly number[]
}

/** Kinds of news between two positions: which rooms, and which things of the user's own; `member`: somebody's step. */
export function newsFor(
  db: Database,
  whose: NewsOf,
  since: number,
  to: number,
): Promise<{ kind: string; room: number | null; member: number }[]> {
  return db.read(sql`SELECT DISTINCT kind, room,
      CASE WHEN kind IN ('event', 'membership') AND user_id IS NOT NULL THEN 1 ELSE 0 END AS member
    FROM log WHERE position > ${since} AND position <= ${to}
    AND ((user_id = ${whose.userId} AND (device_id IS NULL OR device_id = ${whose.deviceId}))
      OR (room IN ${intList(whose.rooms)} AND (user_id IS NULL OR kind IN ('event', 'membership')))
      OR (kind IN ('presence', 'device_list') AND user_id IS NULL))`)
}

/** The newest events of the rooms with positions in (after, before), newest first: their places in the log. */
export function eventRowsBefore(
  db: Database,
  rooms: readonly number[],
  after: number,
  before: number,
  limit: number,
): Promise<{ position: number; room: number; subject: string }[]> {
  return db.read(sql`SELECT position, room, subject FROM log WHERE position > ${after} AND position < ${before}
    AND kind = 'event' AND room IN ${intList(rooms)} ORDER BY position DESC LIMIT ${limit}`)
}

/** Events of the rooms with positions in (since, to], oldest first: their places in the log. */
export function eventRowsAfter(
  db: Database,
  rooms: readonly number[],
  since: number,
  to: number,
  limit: number,
): Promise<{ position: number; room: number; subject: string }[]> {
  return db.read(sql`SELECT position, room, subject FROM log WHERE position > ${since} AND position <= ${to}
    AND kind = 'event' AND room IN ${intList(rooms)} ORDER BY position LIMIT ${limit}`)
}

/**
 * The oldest position that a follower has still to read; undefined: nobody follows. A lease alone stands at 0.
 * Application services are others' programs, for which the log does not wait.
 */
export async function slowestCursor(db: Database): Promise<number | undefined> {
  const rows = await db.read<{ position: number | null }>(
    sql`SELECT MIN(position) AS position FROM cursors
      WHERE position > 0 AND name NOT LIKE ${`${APPSERVICE_CURSORS}%`}`,
  )
  return rows[0]?.position ?? undefined
}

export async function oldestLogRow(db: Database): Promise<number | undefined> {
  const rows = await db.read<{ position: number | null }>(sql`SELECT MIN(position) AS position FROM log`)
  return rows[0]?.position ?? undefined
}

/** Whether rows in (since, to] are gone from the log. */
export async function logLacksRows(db: Database, since: number, to: number): Promise<boolean> {
  return since < to && ((await oldestLogRow(db)) ?? to + 1) > since + 1
}

export function deleteLogRows(upTo: number): Sql {
  return sql`DELETE FROM log WHERE position <= ${upTo}`
}
