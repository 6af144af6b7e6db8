import { existsSync, watch } from 'node:fs'
import Sqlite from 'better-sqlite3'
import type { Clock, Timers } from '../live/time.ts'
import { commitQueue, type Engine, fellWithBase, guardHolds, type Member, type Result } from './commit.ts'
import { type Batch, type Database, DatabaseUnavailable, type LogRow } from './database.ts'
import { DatabaseNotMigrated } from './errors.ts'
import { type Growth, growth } from './growth.ts'
import { idBlocks } from './id-blocks.ts'
import { type PreparedStatements, prepared } from './prepared.ts'
import { render } from './render.ts'
import { type Row, type Sql, sql } from './sql.ts'
import { type Checkpointer, startCheckpointer } from './wal-checkpoint.ts'
import { type Fdatasync, openWalSync, type WalSync } from './wal-sync.ts'

export interface SqliteHooks {
  /** The log could not be synced: the process has to end, because what it shows may be lost. */
  readonly onSyncFailure: (error: Error) => void
  /** Instead of the system's own. */
  readonly fdatasync?: Fdatasync
}

interface SqliteOptions extends SqliteHooks {
  readonly unsafeNoSync: boolean
  readonly onClosed: () => void
}

/**
 * How long one call waits for another process's transaction; those who can wait longer do so without blocking the
 * loop.
 */
const BUSY_TIMEOUT_MS = 20
const BEGIN_RETRY_MS = 5
const BEGIN_PATIENCE_MS = 5000
const POLL_MS = 1000
const CACHE_KIB = 16_000

export interface Connection {
  readonly db: Sqlite.Database
  readonly transaction: TransactionStatements
  readonly prepared: PreparedStatements
  readonly time: Time
  readonly onSyncFailure: SqliteHooks['onSyncFailure']
  /** Set while nobody may write, see `Checkpointer`. */
  held?: Checkpointer['restarting']
  /** The last position applied, by us or by another process, synced or not. */
  head: number
  queries: number
}

/** Prepared once: they run at every commit. */
interface TransactionStatements {
  readonly begin: Sqlite.Statement
  readonly commit: Sqlite.Statement
  readonly rollback: Sqlite.Statement
}

export interface Time {
  readonly timers: Timers
  readonly clock: Clock
}

/** Opens a migrated database file. Errors: DatabaseNotMigrated; DatabaseUnavailable. */
export async function openSqlite(path: string, time: Time, options: SqliteOptions): Promise<Database> {
  const connection = unlessUnavailable(() => connect(path, time, options.onSyncFailure))
  const sync = await openSync(path, connection, options).catch((error: unknown) => {
    connection.db.close()
    throw error
  })
  const log = growth(connection.head)
  const checkpointer = startCheckpointer(path, time.timers, options.onSyncFailure)
  // What an earlier process left behind.
  checkpointer.written()
  const stopWatching = watchOthers(path, connection, sync, log, checkpointer)
  return databaseOn(connection, { sync, log, checkpointer }, async () => {
    await stopWatching()
    await checkpointer.close()
    await sync.synced()
    sync.close()
    connection.db.close()
    options.onClosed()
  })
}

/** What happens beside a connection. */
export interface Beside {
  readonly sync: WalSync
  readonly log: Growth
  readonly checkpointer: Checkpointer
}

/** A database on a connection that is open. `end` comes after its last commit. */
export function databaseOn(connection: Connection, around: Beside, end: () => Promise<void>): Database {
  const { log } = around
  connection.held = around.checkpointer.restarting
  const queue = commitQueue(engine(connection, around))
  let closed: Promise<void> | undefined
  return {
    dialect: 'sqlite',
    read: async <R>(query: Sql) => unlessUnavailable(() => all(connection, query)) as R[],
    commit: queue.commit,
    safePosition: log.safePosition,
    onGrown: log.onGrown,
    tell: async () => undefined,
    onTold: () => () => undefined,
    nextId: idBlocks((kind, size) => reserve(connection, kind, size)),
    get queryCount() {
      return connection.queries
    },
    close() {
      closed ??= queue.close().then(end)
      return closed
    },
  }
}

async function openSync(path: string, connection: Connection, options: SqliteOptions): Promise<WalSync> {
  // The first transaction makes the `-wal` file.
  await inTransaction(connection, () => undefined)
  if (options.unsafeNoSync) return noSync
  const sync = openWalSync(path, options.onSyncFailure, options.fdatasync)
  await sync.synced()
  return sync
}

export const noSync: WalSync = {
  synced: () => Promise.resolve(),
  idle: () => Promise.resolve(),
  close: () => undefined,
}

function connect(path: string, time: Time, onSyncFailure: SqliteHooks['onSyncFailure']): Connection {
  if (!isMigrated(path)) throw new DatabaseNotMigrated(`${path} was never migrated`)
  const db = openFile(path)
  const head = db.prepare('SELECT position FROM log_head').pluck().get() as number
  const transaction = {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
  }
  return { db, transaction, prepared: new WeakMap(), time, onSyncFailure, head, queries: 0 }
}

/** Looks without writing: what is not ours stays as it is, and nothing is created. */
function isMigrated(path: string): boolean {
  if (!existsSync(path)) return false
  const db = new Sqlite(path, { readonly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    const tables = db.prepare(`SELECT name FROM sqlite_master WHERE name IN ('log', 'log_head', 'id_blocks')`).all()
    return tables.length === 3
  } finally {
    db.close()
  }
}

/** A connection as every part of the program opens one. */
export function openFile(path: string, options: Sqlite.Options = {}): Sqlite.Database {
  const db = unlessUnavailable(() => new Sqlite(path, { timeout: BUSY_TIMEOUT_MS, ...options }))
  db.pragma('journal_mode = WAL')
  db.pragma('synchronous = NORMAL')
  db.pragma('foreign_keys = ON')
  db.pragma('wal_autocheckpoint = 0')
  db.pragma('temp_store = MEMORY')
  db.pragma(`cache_size = -${CACHE_KIB}`)
  return db
}

function engine(connection: Connection, { sync, log, checkpointer }: Beside): Engine {
  return {
    ready: sync.idle,
    async apply(group) {
      const { results, head } = await inTransaction(connection, () => applyGroup(connection, group, writeBatch)).catch(
        // What no engine would take shows itself only when it is written: now each batch by itself.
        (error: unknown) => {
          if (error instanceof DatabaseUnavailable) throw error
          const asked = group.map((member) => ({ ...member, guards: member.batch.guards }))
          return inTransaction(connection, () => applyGroup(connection, asked, writeBatchAlone))
        },
      )
      connection.head = Math.max(connection.head, head)
      checkpointer.written()
      return results
    },
    async durable() {
      const { head } = connection
      await sync.synced()
      log.raise(head)
    },
  }
}

/**
 * Runs the work in a transaction, with no other code in between. Another process holds the write lock for less than
 * 50 ms at a time: the beginning is tried again and again, and the loop runs meanwhile.
 */
async function inTransaction<T>(connection: Connection, work: () => T): Promise<T> {
  const { clock, timers } = connection.time
  const start = clock.monotonic()
  for (;;) {
    const held = connection.held?.()
    if (held !== undefined) await held
    else if (begin(connection)) break
    else if (clock.monotonic() - start > BEGIN_PATIENCE_MS)
      throw new DatabaseUnavailable('Another process holds the database')
    else await timers.sleep(BEGIN_RETRY_MS)
  }
  return unlessUnavailable(() => {
    let ended = false
    try {
      const result = work()
      connection.transaction.commit.run()
      ended = true
      return result
    } catch (error) {
      if (error instanceof Sqlite.SqliteError && error.code.endsWith('FSYNC')) connection.onSyncFailure(error)
      throw error
    } finally {
      if (!ended && connection.db.inTransaction) connection.transaction.rollback.run()
    }
  })
}

/** False while another process writes. */
function begin(connection: Connection): boolean {
  try {
    connection.transaction.begin.run()
    return true
  } catch (error) {
    if (isBusy(error)) return false
    throw isUnavailable(error) || isClosed(error) ? asUnavailable(error) : error
  }
}

type WriteBatch = (connection: Connection, batch: Batch, head: number) => Result

function applyGroup(
  connection: Connection,
  group: readonly Member[],
  write: WriteBatch,
): { results: Result[]; head: number } {
  const start = all(connection, READ_HEAD)[0]!.position as number
  const results: Result[] = []
  let head = start
  for (const member of group) {
    const result =
      fellWithBase(member, results) ?? brokenGuard(connection, member) ?? write(connection, member.batch, head)
    results.push(result)
    if ('committed' in result && result.committed) head += member.batch.log.length
  }
  if (head > start) run(connection, sql`UPDATE log_head SET position = ${head}`)
  return { results, head }
}

const READ_HEAD = sql`SELECT position FROM log_head`

function brokenGuard(connection: Connection, member: Member): Result | undefined {
  const broken = member.guards.find((guard) => !guardHolds(guard, all(connection, guard.query)))
  return broken && { committed: false, failed: broken.about }
}

function writeBatch(connection: Connection, batch: Batch, head: number): Result {
  const positions = batch.log.map((_row, index) => head + 1 + index)
  for (const [index, row] of batch.log.entries()) run(connection, insertLog(positions[index]!, row))
  for (const write of batch.writes) run(connection, write, positions)
  return { committed: true, positions }
}

/** The batch in a savepoint, so that one that fails leaves the others of its group standing. */
function writeBatchAlone(connection: Connection, batch: Batch, head: number): Result {
  connection.db.exec('SAVEPOINT batch')
  try {
    const result = writeBatch(connection, batch, head)
    connection.db.exec('RELEASE batch')
    return result
  } catch (error) {
    if (isUnavailable(error) || !connection.db.inTransaction) throw error
    connection.db.exec('ROLLBACK TO batch')
    connection.db.exec('RELEASE batch')
    return { error: error as Error }
  }
}

function insertLog(position: number, row: LogRow): Sql {
  return sql`INSERT INTO log (position, kind, room, user_id, device_id, subject) VALUES (${position}, ${row.kind},
    ${row.room ?? null}, ${row.user ?? null}, ${row.device ?? null}, ${row.subject ?? null})`
}

function reserve(connection: Connection, kind: string, size: number): Promise<number> {
  const query = sql`INSERT INTO id_blocks (kind, next_id) VALUES (${kind}, ${1 + size})
    ON CONFLICT (kind) DO UPDATE SET next_id = next_id + ${size} RETURNING next_id`
  return inTransaction(connection, () => all(connection, query)[0]!.next_id as number)
}

/**
 * Notices what other processes wrote: by a watch on the `-wal` file, and by a poll in case the watch misses something.
 */
function watchOthers(
  path: string,
  connection: Connection,
  sync: WalSync,
  log: Growth,
  checkpointer: Checkpointer,
): () => Promise<void> {
  const version = connection.db.prepare('PRAGMA data_version').pluck()
  const readHead = connection.db.prepare('SELECT position FROM log_head').pluck()
  // Whatever was written since the position was read at the start counts as new.
  let seen: unknown
  let stopped = false
  let looking: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    const now = version.get()
    if (now === seen) return
    seen = now
    checkpointer.written()
    const head = readHead.get() as number
    connection.head = Math.max(connection.head, head)
    await sync.synced()
    log.raise(head)
  }
  const lookSoon = (): void => {
    if (stopped || connection.db.inTransaction) return
    // What cannot be read now is read by a later poll.
    looking = look().catch(() => undefined)
  }
  let cancelPoll: () => void
  const poll = (): void => {
    cancelPoll = connection.time.timers.after(POLL_MS, () => {
      lookSoon()
      if (!stopped) poll()
    })
  }
  poll()
  const stopWatching = watchFile(`${path}-wal`, lookSoon)
  return async () => {
    stopped = true
    cancelPoll()
    stopWatching()
    await looking
  }
}

/** The poll alone has to do where the system gives no watch. */
function watchFile(path: string, changed: () => void): () => void {
  try {
    const watcher = watch(path, { persistent: false }, changed)
    watcher.on('error', () => watcher.close())
    return () => watcher.close()
  } catch {
    return () => undefined
  }
}

function all(connection: Connection, query: Sql): Row[] {
  const { statement, values } = render(query, 'sqlite')
  connection.queries += 1
  return prepared(connection.db, connection.prepared, statement).all(values)
}

/** Runs a write; the rows of a RETURNING are dropped. */
function run(connection: Connection, query: Sql, positions?: readonly number[]): void {
  const { statement, values } = render(query, 'sqlite', positions)
  connection.queries += 1
  prepared(connection.db, connection.prepared, statement).run(values)
}

function unlessUnavailable<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw isUnavailable(error) || isClosed(error) ? asUnavailable(error) : error
  }
}

function asUnavailable(error: unknown): Error {
  if (error instanceof DatabaseUnavailable) return error
  return new DatabaseUnavailable((error as Error).message, { cause: error })
}

const UNAVAILABLE = /^SQLITE_(FULL|IOERR|BUSY|LOCKED|NOMEM|CANTOPEN|READONLY|CORRUPT|NOTADB|PROTOCOL)/

function isUnavailable(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && UNAVAILABLE.test(error.code)
}

function isBusy(error: unknown): boolean {
  return error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')
}

function isClosed(error: unknown): boolean {
  return error instanceof TypeError && error.message === 'The database connection is not open'
}
