import type { Database, Guard } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import { deleteAllCrossSigningKeys } from './cross-signing.ts'
import { deleteAllDeviceKeys } from './device-keys.ts'
import { serverOf } from './server-of.ts'

/** Our copy of the device list of another server's user. */
export interface RemoteList {
  readonly user_id: string
  /** Of the last change that is in it; null: it was never read as a whole. */
  readonly stream_id: number | null
  /** A change was missed: it has to be read afresh. */
  readonly stale: number
  /** Where the log was when it was read, or was found to be stale. */
  readonly position: number
}

/** The log row that tells of a list that has to be read afresh. */
export const STALE_LIST = 'stale_device_list'
/** The log row of a list that was read and is what it was. */
export const LIST_READ = 'device_list_read'

const COLUMNS = sql`l.user_id, l.stream_id, l.stale, l.position`
const SERVER = serverOf('user_id')

/** Those of the users who share a room with this server now: their servers tell it of changes. */
export async function sharingWithServer(
  db: Database,
  ourName: string,
  userIds: readonly string[],
): Promise<Set<string>> {
  if (userIds.length === 0) return new Set()
  const rows = await db.read<{ user_id: string }>(sql`SELECT DISTINCT m.user_id FROM memberships m
    JOIN room_servers s ON s.room = m.room AND s.server = ${ourName} AND s.to_position IS NULL
    WHERE m.membership = 'join' AND m.user_id IN ${textList(userIds)}`)
  return new Set(rows.map((row) => row.user_id))
}

/**
 * Lists of the users that can be relied upon, unless they are stale: a room was shared with the user without a break
 * since the list was read, so that no change of it went untold.
 */
export async function followedLists(
  db: Database,
  ourName: string,
  userIds: readonly string[],
): Promise<Map<string, RemoteList>> {
  if (userIds.length === 0) return new Map()
  const rows = await db.read<RemoteList>(sql`SELECT ${COLUMNS} FROM remote_device_lists l
    WHERE l.user_id IN ${textList(userIds)} AND EXISTS (
      SELECT 1 FROM memberships m JOIN room_servers s ON s.room = m.room AND s.server = ${ourName}
        AND s.to_position IS NULL AND s.from_position <= l.position
      WHERE m.user_id = l.user_id AND m.membership = 'join'
        AND EXISTS (SELECT 1 FROM membership_history h WHERE h.room = m.room AND h.user_id = m.user_id
          AND h.position <= l.position)
        AND NOT EXISTS (SELECT 1 FROM membership_history h WHERE h.room = m.room AND h.user_id = m.user_id
          AND h.membership <> 'join' AND h.position >= (SELECT MAX(b.position) FROM membership_history b
            WHERE b.room = m.room AND b.user_id = m.user_id AND b.position <= l.position)))`)
  return new Map(rows.map((row) => [row.user_id, row]))
}

export async function remoteList(db: Database, userId: string): Promise<RemoteList | undefined> {
  const rows = await db.read<RemoteList>(sql`SELECT ${COLUMNS} FROM remote_device_lists l WHERE l.user_id = ${userId}`)
  return rows[0]
}

/** Holds while nothing was heard of the list since. */
export function remoteListIsStill(userId: string, seen: RemoteList | undefined): Guard {
  return {
    about: `remote-device-list:${userId}`,
    query: sql`SELECT ${COLUMNS} FROM remote_device_lists l WHERE l.user_id = ${userId}`,
    expect: seen === undefined ? [] : [{ ...seen }],
  }
}

/** The list was read as a whole. */
export function storeRemoteList(userId: string, streamId: number, position: LogPosition): Sql {
  return sql`INSERT INTO remote_device_lists (user_id, stream_id, stale, retry_at, position)
    VALUES (${userId}, ${streamId}, 0, NULL, ${position})
    ON CONFLICT (user_id) DO UPDATE SET stream_id = excluded.stream_id, stale = 0, retry_at = NULL,
      position = excluded.position`
}

export function moveRemoteList(userId: string, streamId: number): Sql {
  return sql`UPDATE remote_device_lists SET stream_id = ${streamId} WHERE user_id = ${userId}`
}

export function markListStale(userId: string, retryAt: number, position: LogPosition): Sql {
  return sql`INSERT INTO remote_device_lists (user_id, stream_id, stale, retry_at, position)
    VALUES (${userId}, NULL, 1, ${retryAt}, ${position})
    ON CONFLICT (user_id) DO UPDATE SET stale = 1, retry_at = excluded.retry_at, position = excluded.position`
}

/** Nobody of this server cares for the list any more. */
export function forgetRemoteList(userId: string): Sql[] {
  return [
    sql`DELETE FROM remote_device_lists WHERE user_id = ${userId}`,
    deleteAllDeviceKeys(userId),
    deleteAllCrossSigningKeys(userId),
  ]
}

export function dueStaleLists(db: Database, nowMs: number, limit: number): Promise<{ user_id: string }[]> {
  return db.read(sql`SELECT user_id FROM remote_device_lists WHERE stale = 1 AND retry_at <= ${nowMs}
    ORDER BY retry_at LIMIT ${limit}`)
}

/** Milliseconds since 1970 at which the next stale list is due. */
export async function nextStaleList(db: Database): Promise<number | undefined> {
  const rows = await db.read<{ retry_at: number }>(
    sql`SELECT retry_at FROM remote_device_lists WHERE stale = 1 ORDER BY retry_at LIMIT 1`,
  )
  return rows[0]?.retry_at
}

/** The server is away: none of its lists is asked for before that time. */
export function postponeLists(server: string, retryAt: number): Sql {
  return sql`UPDATE remote_device_lists SET retry_at = ${retryAt} WHERE stale = 1 AND retry_at < ${retryAt}
    AND ${SERVER} = ${server}`
}

export function postponeList(userId: string, retryAt: number): Sql {
  return sql`UPDATE remote_device_lists SET retry_at = ${retryAt} WHERE stale = 1 AND user_id = ${userId}`
}
