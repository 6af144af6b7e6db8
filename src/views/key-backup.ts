import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import {
  type BackupKeyRow,
  type BackupVersionRow,
  backupKeys,
  backupVersion,
  countBackupKeys,
  currentBackup,
  type KeyRange,
} from '../store/key-backups.ts'

/** Keys read at once; between two reads others come to their turn. */
const PAGE = 1_000

/** A backup, without a version the current one, as JSON text. Errors: M_NOT_FOUND. */
export async function backupInfo(app: App, userId: string, version: number | undefined): Promise<string> {
  const backup = found(
    version === undefined ? await currentBackup(app.db, userId) : await backupVersion(app.db, userId, version),
  )
  const count = await countBackupKeys(app.db, userId, backup.version)
  const head = JSON.stringify({
    algorithm: backup.algorithm,
    count,
    etag: `${backup.etag}`,
    version: `${backup.version}`,
  })
  return `${head.slice(0, -1)},"auth_data":${backup.auth_data}}`
}

/** How many keys a backup has, and its etag: what a client is told after a change. Errors: M_NOT_FOUND. */
export async function backupSize(app: App, userId: string, version: number): Promise<{ count: number; etag: string }> {
  const { etag } = found(await backupVersion(app.db, userId, version))
  return { count: await countBackupKeys(app.db, userId, version), etag: `${etag}` }
}

/** The keys of the range as JSON text: a key, those of a room, or all. Errors: M_NOT_FOUND. */
export async function keysOfBackup(app: App, range: KeyRange): Promise<string> {
  found(await backupVersion(app.db, range.userId, range.version))
  const rooms = new Map<string, string[]>()
  let after = { room_id: '', session_id: '' }
  for (let full = true; full; ) {
    const rows = await backupKeys(app.db, range, after, PAGE)
    for (const row of rows) {
      const sessions = rooms.get(row.room_id) ?? []
      sessions.push(`${JSON.stringify(row.session_id)}:${keyText(row)}`)
      rooms.set(row.room_id, sessions)
      if (range.sessionId !== undefined) return keyText(row)
    }
    after = rows.at(-1) ?? after
    full = rows.length === PAGE
  }
  if (range.sessionId !== undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such key in the backup.')
  if (range.roomId !== undefined) return sessionsText(rooms.get(range.roomId) ?? [])
  const texts = [...rooms].map(([roomId, sessions]) => `${JSON.stringify(roomId)}:${sessionsText(sessions)}`)
  return `{"rooms":{${texts.join(',')}}}`
}

function found(backup: BackupVersionRow | undefined): BackupVersionRow {
  if (backup === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such backup.')
  return backup
}

function sessionsText(sessions: readonly string[]): string {
  return `{"sessions":{${sessions.join(',')}}}`
}

function keyText(row: BackupKeyRow): string {
  const { first_message_index, forwarded_count } = row
  const head = JSON.stringify({ first_message_index, forwarded_count, is_verified: row.verified === 1 })
  return `${head.slice(0, -1)},"session_data":${row.data}}`
}
