import Sqlite from 'better-sqlite3'
import { DatabaseLocked } from './errors.ts'
import type { Time } from './sqlite.ts'

const PATIENCE_MS = 2000
const RETRY_MS = 100

/**
 * Holds a lock that ends with the process, however it ends: a transaction kept open in a small database beside the
 * real one, which has no lock of its own to keep a second server out. Returns the way to let go.
 * Errors: DatabaseLocked, within five seconds.
 */
export async function lockFile(databasePath: string, time: Time): Promise<() => void> {
  const db = new Sqlite(`${databasePath}.lock`, { timeout: 0 })
  db.pragma('locking_mode = EXCLUSIVE')
  const start = time.clock.monotonic()
  for (;;) {
    try {
      db.exec('BEGIN EXCLUSIVE')
      return () => db.close()
    } catch (error) {
      const busy = error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')
      if (busy && time.clock.monotonic() - start < PATIENCE_MS) {
        await time.timers.sleep(RETRY_MS)
        continue
      }
      db.close()
      throw busy ? new DatabaseLocked(`Another process serves ${databasePath}`) : error
    }
  }
}
