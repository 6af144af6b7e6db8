import Sqlite from 'better-sqlite3'
import type { Database } from '../../src/db/database.ts'
import { growth } from '../../src/db/growth.ts'
import { type Connection, databaseOn, noSync } from '../../src/db/sqlite.ts'
import { systemClock } from '../../src/live/time.ts'

/**
 * Where a server has its database, in memory: what is committed outlives its processes. The connection does, too, and
 * with it the prepared statements, also from one story to the next.
 */
export interface Disk {
  /** For the next process; the one before it has closed its own. */
  open(): Database
  /** Takes back what was committed since the last `keep`. */
  reset(): void
  keep(): void
}

/** Nobody else writes to it. */
const NO_TIMERS = { after: () => () => undefined, sleep: () => Promise.resolve() }
const NO_CHECKPOINTS = { written: () => undefined, restarting: () => undefined, close: () => Promise.resolve() }

/** `image`: the file of a database that was migrated and closed. */
export function diskFrom(image: Buffer): Disk {
  const db = new Sqlite(withoutLog(image))
  db.pragma('foreign_keys = ON')
  db.pragma('temp_store = MEMORY')
  // Everything is inside of one transaction: to take it back costs next to nothing.
  const begin = db.prepare('BEGIN')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  begin.run()
  const transaction = {
    begin: db.prepare('SAVEPOINT work'),
    commit: db.prepare('RELEASE work'),
    rollback: db.prepare('ROLLBACK TO work'),
  }
  const readHead = db.prepare('SELECT position FROM log_head').pluck()
  const prepared: Connection['prepared'] = new WeakMap()
  const fail = (error: Error) => {
    throw error
  }
  return {
    open() {
      const time = { clock: systemClock, timers: NO_TIMERS }
      const head = readHead.get() as number
      const connection = { db, transaction, prepared, time, onSyncFailure: fail, head, queries: 0 }
      const beside = { sync: noSync, log: growth(head), checkpointer: NO_CHECKPOINTS }
      return databaseOn(connection, beside, () => Promise.resolve())
    },
    reset() {
      rollback.run()
      begin.run()
    },
    keep() {
      commit.run()
      begin.run()
    },
  }
}

/** Bytes 18 and 19 of a file say that it has a write-ahead log, which memory cannot have. */
function withoutLog(image: Buffer): Buffer {
  return Buffer.from(image).fill(1, 18, 20)
}
