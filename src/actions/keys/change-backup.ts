import type { App } from '../../app.ts'
import { canonicalJson, type JsonValue } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import {
  backupExists,
  backupVersion,
  backupWasThere,
  deleteBackup as deleteRows,
  insertBackup,
  lastBackupVersion,
  updateBackup as updateRow,
} from '../../store/key-backups.ts'
import { write } from '../write.ts'

/** Tries when several backups are made at once. */
const MAX_TRIES = 50
const MAX_AUTH_DATA_BYTES = 65_536
/** Versions that a user may ever have. */
const MAX_VERSIONS = 10_000

/** A new version of the user's key backup, empty (Client-Server API, "Server-side key backups"). */
export async function createBackup(
  app: App,
  userId: string,
  algorithm: string,
  authData: JsonValue,
): Promise<{ readonly version: number }> {
  const text = authDataText(authData)
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const last = await lastBackupVersion(app.db, userId)
    const version = last.version + 1
    if (version > MAX_VERSIONS) throw new MatrixError('M_LIMIT_EXCEEDED', 'There were too many backups.', {}, 403)
    const writes = [insertBackup(userId, version, algorithm, text)]
    if ((await write(app, { guards: [last.guard], writes, log: [] })) !== undefined) return { version }
  }
  throw new MatrixError('M_UNKNOWN', 'Backups are being made too quickly; try again.', {}, 503)
}

/** Replaces `auth_data`; the algorithm stays what it was. Errors: M_INVALID_PARAM, M_NOT_FOUND, M_TOO_LARGE. */
export async function updateBackup(
  app: App,
  userId: string,
  version: number,
  change: { readonly algorithm: string; readonly authData: JsonValue },
): Promise<void> {
  const writes = [updateRow(userId, version, authDataText(change.authData))]
  const backup = await backupVersion(app.db, userId, version)
  if (backup !== undefined && backup.algorithm !== change.algorithm)
    throw new MatrixError('M_INVALID_PARAM', 'The algorithm of a backup cannot be changed.')
  const guards = [backupExists(userId, version)]
  if ((await write(app, { guards, writes, log: [] })) === undefined) throw noBackup()
}

/** Deletes the version and its keys; twice is not too often. Errors: M_NOT_FOUND. */
export async function deleteBackup(app: App, userId: string, version: number): Promise<void> {
  if (!(await backupWasThere(app.db, userId, version))) throw noBackup()
  await write(app, { guards: [], writes: deleteRows(userId, version), log: [] })
}

export function noBackup(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such backup.')
}

function authDataText(authData: JsonValue): string {
  const text = canonicalJson(authData)
  if (Buffer.byteLength(text) > MAX_AUTH_DATA_BYTES) throw new MatrixError('M_TOO_LARGE', 'auth_data is too large.')
  return text
}
