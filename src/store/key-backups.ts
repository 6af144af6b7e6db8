import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

export interface BackupVersionRow {
  readonly version: number
  readonly algorithm: string
  /** JSON text. */
  readonly auth_data: string
  /** Another one after every change of the keys. */
  readonly etag: number
}

const COLUMNS = sql`version, algorithm, auth_data, etag`

export async function backupVersion(
  db: Database,
  userId: string,
  version: number,
): Promise<BackupVersionRow | undefined> {
  const rows = await db.read<BackupVersionRow>(sql`SELECT ${COLUMNS} FROM backup_versions
    WHERE user_id = ${userId} AND version = ${version} AND deleted = 0`)
  return rows[0]
}

/** The newest that was not deleted: keys are stored there alone. */
export async function currentBackup(db: Database, userId: string): Promise<BackupVersionRow | undefined> {
  const rows = await db.read<BackupVersionRow>(sql`SELECT ${COLUMNS} FROM backup_versions
    WHERE user_id = ${userId} AND deleted = 0 ORDER BY version DESC LIMIT 1`)
  return rows[0]
}

export function backupIsCurrent(userId: string, version: number): Guard {
  const query = sql`SELECT version FROM backup_versions WHERE user_id = ${userId} AND deleted = 0
    ORDER BY version DESC LIMIT 1`
  return { about: aboutBackups(userId), query, expect: [{ version }] }
}

export function backupExists(userId: string, version: number): Guard {
  const query = sql`SELECT version FROM backup_versions WHERE user_id = ${userId} AND version = ${version}
    AND deleted = 0`
  return { about: aboutBackups(userId), query, expect: [{ version }] }
}

function aboutBackups(userId: string): string {
  return `backups:${userId}`
}

/** The highest version that the user ever had, 0 for none, and the guard that it is still so. */
export async function lastBackupVersion(db: Database, userId: string): Promise<{ version: number; guard: Guard }> {
  const query = sql`SELECT COALESCE(MAX(version), 0) AS version FROM backup_versions WHERE user_id = ${userId}`
  const rows = await db.read<{ version: number }>(query)
  return { version: rows[0]?.version ?? 0, guard: { about: aboutBackups(userId), query, expect: rows.slice(0, 1) } }
}

/** Whether there is or ever was such a version. */
export async function backupWasThere(db: Database, userId: string, version: number): Promise<boolean> {
  const rows = await db.read(sql`SELECT version FROM backup_versions
    WHERE user_id = ${userId} AND version = ${version}`)
  return rows.length > 0
}

export function insertBackup(userId: string, version: number, algorithm: string, authData: string): Sql {
  return sql`INSERT INTO backup_versions (user_id, version, algorithm, auth_data, etag)
    VALUES (${userId}, ${version}, ${algorithm}, ${authData}, 0)`
}

export function updateBackup(userId: string, version: number, authData: string): Sql {
  return sql`UPDATE backup_versions SET auth_data = ${authData} WHERE user_id = ${userId} AND version = ${version}`
}

/** The number stays behind, so that no later version is mistaken for this one. */
export function deleteBackup(userId: string, version: number): Sql[] {
  return [
    sql`UPDATE backup_versions SET deleted = 1, auth_data = '{}' WHERE user_id = ${userId} AND version = ${version}`,
    sql`DELETE FROM backup_keys WHERE user_id = ${userId} AND version = ${version}`,
  ]
}

export function deleteBackupsOf(userId: string): Sql[] {
  return [
    sql`DELETE FROM backup_versions WHERE user_id = ${userId}`,
    sql`DELETE FROM backup_keys WHERE user_id = ${userId}`,
  ]
}

/** Which keys of a backup: all of them, those of a room, or one. */
export interface KeyRange {
  readonly userId: string
  readonly version: number
  readonly roomId?: string | undefined
  readonly sessionId?: string | undefined
}

export interface BackupKeyRow {
  readonly room_id: string
  readonly session_id: string
  readonly first_message_index: number
  readonly forwarded_count: number
  readonly verified: number
  /** JSON text. */
  readonly data: string
}

/** Keys of the range in their order, those after the last one read. */
export function backupKeys(
  db: Database,
  range: KeyRange,
  after: Pick<BackupKeyRow, 'room_id' | 'session_id'>,
  limit: number,
): Promise<BackupKeyRow[]> {
  return db.read(sql`SELECT room_id, session_id, first_message_index, forwarded_count, verified, data FROM backup_keys
    WHERE ${inRange(range)} AND (room_id, session_id) > (${after.room_id}, ${after.session_id})
    ORDER BY room_id, session_id LIMIT ${limit}`)
}

export async function countBackupKeys(db: Database, userId: string, version: number): Promise<number> {
  const rows = await db.read<{ count: number }>(
    sql`SELECT COUNT(*) AS count FROM backup_keys WHERE ${inRange({ userId, version })}`,
  )
  return rows[0]?.count ?? 0
}

/**
 * Stores a key, or puts it in the place of a worse one: verified ones are better, then those that decrypt from earlier
 * on, then those that were forwarded less often.
 */
export function storeBackupKey({ userId, version }: KeyRange, key: BackupKeyRow): Sql {
  return sql`INSERT INTO backup_keys (user_id, version, room_id, session_id, first_message_index, forwarded_count,
      verified, data)
    VALUES (${userId}, ${version}, ${key.room_id}, ${key.session_id}, ${key.first_message_index},
      ${key.forwarded_count}, ${key.verified}, ${key.data})
    ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET
      first_message_index = excluded.first_message_index, forwarded_count = excluded.forwarded_count,
      verified = excluded.verified, data = excluded.data
    WHERE (-excluded.verified, excluded.first_message_index, excluded.forwarded_count)
      < (-backup_keys.verified, backup_keys.first_message_index, backup_keys.forwarded_count)`
}

export function deleteBackupKeys(range: KeyRange): Sql {
  return sql`DELETE FROM backup_keys WHERE ${inRange(range)}`
}

/** Before `storeBackupKey`: the etag changes when the key is going to be stored. */
export function changeEtagFor({ userId, version }: KeyRange, key: BackupKeyRow): Sql {
  return sql`UPDATE backup_versions SET etag = etag + 1 WHERE user_id = ${userId} AND version = ${version}
    AND NOT EXISTS (SELECT 1 FROM backup_keys k WHERE k.user_id = ${userId} AND k.version = ${version}
      AND k.room_id = ${key.room_id} AND k.session_id = ${key.session_id}
      AND (-k.verified, k.first_message_index, k.forwarded_count)
        <= (${-key.verified}, ${key.first_message_index}, ${key.forwarded_count}))`
}

/** Before `deleteBackupKeys`: the etag changes when there is something to delete. */
export function changeEtagOf(range: KeyRange): Sql {
  return sql`UPDATE backup_versions SET etag = etag + 1 WHERE user_id = ${range.userId}
    AND version = ${range.version} AND EXISTS (SELECT 1 FROM backup_keys WHERE ${inRange(range)})`
}

function inRange({ userId, version, roomId, sessionId }: KeyRange): Sql {
  const all = sql`user_id = ${userId} AND version = ${version}`
  if (roomId === undefined) return all
  if (sessionId === undefined) return sql`${all} AND room_id = ${roomId}`
  return sql`${all} AND room_id = ${roomId} AND session_id = ${sessionId}`
}
