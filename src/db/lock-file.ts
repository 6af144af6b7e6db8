import Sqlite from 'better-sqlite3'
import { DatabaseUnavailable } from './database.ts'
import { DatabaseLocked } from './errors.ts'
import type { Time } from './sqlite.ts'

const PATIENCE_MS = 2000
/** Another process may migrate for long. */
const MIGRATION_PATIENCE_MS = 30_000
const RETRY_MS = 100

/**
 * Keeps a second server out, as the database has no lock of its own for that. Returns the way to let go.
 * Errors: DatabaseLocked, within five seconds; DatabaseUnavailable.
 */
export async function lockFile(databasePath: string, time: Time): Promise<() => void> {
  const release = await hold(`${databasePath}.lock`, PATIENCE_MS, time)
  if (release === undefined) throw new DatabaseLocked(`Another process serves ${databasePath}`)
  return release
}

/**
 * Keeps a second process from migrating. A lock of its own: the database itself may not be written before the checks
 * have passed. Errors: DatabaseUnavailable.
 */
export async function migrationLock(databasePath: string, time: Time): Promise<() => void> {
  const release = await hold(`${databasePath}.migrate-lock`, MIGRATION_PATIENCE_MS, time)
  if (release === undefined) throw new DatabaseUnavailable('Another process migrates the database')
  return release
}

/**
 * Holds a lock that ends with the process, however it ends: a transaction kept open in a small database of that name.
 * Undefined when another process holds it for so long.
 */
async function hold(path: string, patienceMs: number, time: Time): Promise<(() => void) | undefined> {
  const db = new Sqlite(path, { timeout: 0 })
  const start = time.clock.monotonic()
  for (;;) {
    try {
      db.pragma('locking_mode = EXCLUSIVE')
      db.exec('BEGIN EXCLUSIVE')
      return () => db.close()
    } catch (error) {
      const busy = error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')
      if (busy && time.clock.monotonic() - start < patienceMs) {
        await time.timers.sleep(RETRY_MS)
        continue
      }
      db.close()
      if (busy) return undefined
      throw new DatabaseUnavailable(`${path}: ${(error as Error).message}`, { cause: error })
    }
  }
}
