import type { App } from '../../app.ts'
import { canonicalJson, type JsonValue } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Batch } from '../../db/database.ts'
import {
  type BackupKeyRow,
  backupExists,
  backupIsCurrent,
  backupVersion,
  changeEtagFor,
  changeEtagOf,
  currentBackup,
  deleteBackupKeys as deleteRows,
  type KeyRange,
  storeBackupKey,
} from '../../store/key-backups.ts'
import { write } from '../write.ts'
import { noBackup } from './change-backup.ts'

/** One session key as a client gives it (Client-Server API, definition KeyBackupData). */
export interface KeyBackupData {
  readonly first_message_index: number
  readonly forwarded_count: number
  readonly is_verified: boolean
  readonly session_data: JsonValue
}

export interface GivenKey {
  readonly roomId: string
  readonly sessionId: string
  readonly data: KeyBackupData
}

const MAX_ID_BYTES = 255
const MAX_SESSION_DATA_BYTES = 65_536
/** Keys written by one batch: others wait for it. */
const KEYS_AT_ONCE = 250

/**
 * Stores keys in the user's current backup, each unless a better one is there. Errors: M_WRONG_ROOM_KEYS_VERSION,
 * M_NOT_FOUND, M_INVALID_PARAM, M_TOO_LARGE.
 */
export async function storeBackupKeys(
  app: App,
  userId: string,
  version: number,
  keys: readonly GivenKey[],
): Promise<void> {
  const rows = keys.map(rowOf)
  const range = { userId, version }
  await checkCurrent(app, range)
  for (let first = 0; first < rows.length; first += KEYS_AT_ONCE) {
    const some = rows.slice(first, first + KEYS_AT_ONCE)
    const writes = some.flatMap((row) => [changeEtagFor(range, row), storeBackupKey(range, row)])
    const batch: Batch = { guards: [backupIsCurrent(userId, version)], writes, log: [] }
    if ((await write(app, batch)) === undefined) await checkCurrent(app, range)
  }
}

/** Deletes keys of any of the user's backups. Errors: M_NOT_FOUND. */
export async function deleteBackupKeys(app: App, range: KeyRange): Promise<void> {
  const guards = [backupExists(range.userId, range.version)]
  const written = await write(app, { guards, writes: [changeEtagOf(range), deleteRows(range)], log: [] })
  if (written === undefined) throw noBackup()
}

async function checkCurrent(app: App, { userId, version }: KeyRange): Promise<void> {
  const current = await currentBackup(app.db, userId)
  if (current?.version === version) return
  if (current === undefined || (await backupVersion(app.db, userId, version)) === undefined) throw noBackup()
  throw new MatrixError('M_WRONG_ROOM_KEYS_VERSION', 'Keys are stored in the current backup alone.', {
    current_version: `${current.version}`,
  })
}

function rowOf({ roomId, sessionId, data }: GivenKey): BackupKeyRow {
  for (const id of [roomId, sessionId]) {
    if (Buffer.byteLength(id) > MAX_ID_BYTES || id.includes('\0'))
      throw new MatrixError('M_INVALID_PARAM', 'This is no id of a room or a session.')
  }
  const text = canonicalJson(data.session_data)
  if (Buffer.byteLength(text) > MAX_SESSION_DATA_BYTES)
    throw new MatrixError('M_TOO_LARGE', 'session_data is too large.')
  return {
    room_id: roomId,
    session_id: sessionId,
    first_message_index: data.first_message_index,
    forwarded_count: data.forwarded_count,
    verified: data.is_verified ? 1 : 0,
    data: text,
  }
}
