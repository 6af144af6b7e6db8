import { availableParallelism } from 'node:os'
import pg from 'pg'
import { commitQueue, type Engine, fellWithBase, type Member, type Result } from './commit.ts'
import type { Database } from './database.ts'
import { DatabaseNotMigrated } from './errors.ts'
import { type Growth, growth } from './growth.ts'
import { idBlocks } from './id-blocks.ts'
import { commitTransaction } from './postgres-commit.ts'
import { pooledReads } from './postgres-reads.ts'
import { asUnavailable, isUnavailable, pgTypes, UNDEFINED_TABLE } from './postgres-values.ts'
import { type Rendered, render } from './render.ts'
import { type Row, type Sql, sql } from './sql.ts'
import type { Time } from './sqlite.ts'

/** Any number, as long as it stays the same: servers share it, and a migration wants it for itself. */
export const SERVER_LOCK = 7_236_019_483

const DEFAULT_MAX_CONNECTIONS = 10
/** Twice this stays below the five seconds in which a request hears that the database is gone. */
const CONNECT_TIMEOUT_MS = 2000
const WRITE_TIMEOUT_MS = 4500
const IDLE_TRANSACTION_MS = 10_000
const READ_TIMEOUT_MS = 20_000
const POLL_MS = 1000
const MAX_POLL_MS = 4000

interface Connections {
  readonly uri: string
  readonly server: boolean
  readonly pool: pg.Pool
  readonly ask: (query: Rendered) => Promise<Row[]>
  readonly log: Growth
  /** Hear what servers tell one another. */
  readonly listeners: Set<(text: string) => void>
  /** The one connection that writes and hears the notices; undefined until it is needed, and after it broke. */
  writer: Promise<pg.Client> | undefined
  queries: number
}

/** Opens a migrated database. A server keeps migrations out. Errors: DatabaseNotMigrated; DatabaseUnavailable. */
export async function openPostgres(
  uri: string,
  time: Time,
  options: { maxConnections?: number | undefined; server?: boolean } = {},
): Promise<Database> {
  const max = options.maxConnections ?? Math.min(DEFAULT_MAX_CONNECTIONS, 2 * availableParallelism())
  const pool = new pg.Pool({
    ...clientConfig(uri),
    ...PIPELINE,
    max: Math.max(1, max - 1),
    query_timeout: READ_TIMEOUT_MS,
  })
  // A connection that breaks while nobody uses it leaves the pool by itself.
  pool.on('error', () => undefined)
  const server = options.server ?? false
  const connections: Connections = {
    uri,
    server,
    pool,
    ask: pooledReads(pool),
    log: growth(0),
    listeners: new Set(),
    writer: undefined,
    queries: 0,
  }
  try {
    await writerOf(connections)
  } catch (error) {
    await pool.end()
    throw error
  }
  const queue = commitQueue(engine(connections))
  const stopPolling = poll(connections, time)
  let closed: Promise<void> | undefined
  return {
    dialect: 'postgres',
    read: async <R>(query: Sql) => (await readRows(connections, query)) as R[],
    commit: queue.commit,
    safePosition: connections.log.safePosition,
    onGrown: connections.log.onGrown,
    tell: async (text) => void (await readRows(connections, sql`SELECT pg_notify('dendrite_told', ${text})`)),
    onTold(listener) {
      connections.listeners.add(listener)
      return () => connections.listeners.delete(listener)
    },
    nextId: idBlocks((kind, size) => reserve(connections, kind, size)),
    get queryCount() {
      return connections.queries
    },
    close() {
      closed ??= (async () => {
        await queue.close()
        await stopPolling()
        const writer = await connections.writer?.catch(() => undefined)
        await Promise.all([writer?.end(), pool.end()])
      })()
      return closed
    },
  }
}

/**
 * Each query has its index. A statement that was planned while its table was small would read all of it for the life of
 * the connection, and compiling what takes a millisecond takes a hundred. The database's URI may say otherwise.
 */
const PLANNING = '-c enable_seqscan=off -c jit=off'

/** Queries are sent without waiting for the answers to those before. The types of pg do not know it. */
const PIPELINE = { pipeline: true } as pg.ClientConfig

/** What every connection has in common. */
export function clientConfig(uri: string): pg.ClientConfig {
  return {
    connectionString: uri,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    options: PLANNING,
    types: pgTypes,
    application_name: 'dendrite',
  }
}

/** The writing connection, made anew when the last one broke. */
function writerOf(connections: Connections): Promise<pg.Client> {
  if (connections.writer !== undefined) return connections.writer
  const writer: Promise<pg.Client> = connectWriter(connections, () => {
    if (connections.writer === writer) connections.writer = undefined
  })
  connections.writer = writer
  return writer
}

async function connectWriter(connections: Connections, forget: () => void): Promise<pg.Client> {
  const config = { ...clientConfig(connections.uri), ...PIPELINE, query_timeout: WRITE_TIMEOUT_MS }
  const client = new pg.Client(config)
  client.on('error', forget)
  client.on('end', forget)
  client.on('notification', ({ channel, payload }) => {
    if (channel === 'dendrite_told') for (const listener of connections.listeners) listener(payload ?? '')
    const position = channel === 'dendrite_log' ? Number(payload) : Number.NaN
    if (Number.isSafeInteger(position)) connections.log.raise(position)
  })
  try {
    await client.connect()
    const [head] = await Promise.all([
      client.query<{ position: number }>('SELECT position FROM log_head'),
      client.query('LISTEN dendrite_log'),
      client.query('LISTEN dendrite_told'),
      // It ends with the connection. While a migration runs this one waits, and fails in the end.
      connections.server ? client.query('SELECT pg_advisory_lock_shared($1::bigint)', [SERVER_LOCK]) : undefined,
      // A process that stops in the middle of a transaction holds the lock of the log: the others get it back.
      client.query(`SET idle_in_transaction_session_timeout = ${IDLE_TRANSACTION_MS}`),
    ])
    connections.log.raise(head.rows[0]!.position)
    return client
  } catch (error) {
    forget()
    void client.end().catch(() => undefined)
    if (error instanceof pg.DatabaseError && error.code === UNDEFINED_TABLE) {
      throw new DatabaseNotMigrated('The database was never migrated', { cause: error })
    }
    throw asUnavailable(error)
  }
}

function engine(connections: Connections): Engine {
  return {
    ready: () => Promise.resolve(),
    apply: (group) => applyGroup(connections, group),
    durable: () => Promise.resolve(),
  }
}

async function applyGroup(connections: Connections, group: readonly Member[]): Promise<readonly Result[]> {
  const client = await writerOf(connections)
  try {
    const { results, head, queries } = await commitTransaction(client, group)
    connections.queries += queries
    connections.log.raise(head)
    return results
  } catch (error) {
    if (isUnavailable(error)) {
      if ((await connections.writer?.catch(() => undefined)) === client) connections.writer = undefined
      void client.end().catch(() => undefined)
      throw asUnavailable(error)
    }
    await client.query('ROLLBACK').catch(() => undefined)
    const [first] = group
    const allWasAsked = group.length === 1 && first!.guards.length === first!.batch.guards.length
    return allWasAsked ? [{ error: error as Error }] : replay(connections, group)
  }
}

/**
 * One batch at a time, so that the one that no engine would take fails alone. All guards are asked again: others may
 * write in between.
 */
async function replay(connections: Connections, group: readonly Member[]): Promise<readonly Result[]> {
  const results: Result[] = []
  for (const member of group) {
    const alone = { batch: member.batch, guards: member.batch.guards, after: undefined }
    const fallen = fellWithBase(member, results)
    if (fallen !== undefined) results.push(fallen)
    // What was committed before stays so: from here on only this one has failed.
    else results.push(...(await applyGroup(connections, [alone]).catch((error: Error) => [{ error }])))
  }
  return results
}

async function readRows(connections: Connections, query: Sql): Promise<Row[]> {
  connections.queries += 1
  const rendered = render(query, 'postgres')
  try {
    return await connections.ask(rendered)
  } catch (error) {
    throw isUnavailable(error) ? asUnavailable(error) : error
  }
}

async function reserve(connections: Connections, kind: string, size: number): Promise<number> {
  const rows = await readRows(
    connections,
    sql`INSERT INTO id_blocks AS b (kind, next_id) VALUES (${kind}, ${1 + size})
      ON CONFLICT (kind) DO UPDATE SET next_id = b.next_id + ${size} RETURNING next_id`,
  )
  return rows[0]!.next_id as number
}

/**
 * Behind the notices: reconnects what broke, and finds growth whose notice was lost. Waits longer while the server is
 * gone.
 */
function poll(connections: Connections, { timers }: Time): () => Promise<void> {
  let stopped = false
  let cancel: () => void
  let looking: Promise<void> = Promise.resolve()
  const look = async (delay: number): Promise<void> => {
    let next = POLL_MS
    try {
      await writerOf(connections)
      const { rows } = await connections.pool.query<{ position: number }>('SELECT position FROM log_head')
      connections.log.raise(rows[0]!.position)
    } catch {
      next = Math.min(2 * delay, MAX_POLL_MS)
    }
    if (!stopped) schedule(next)
  }
  const schedule = (delay: number): void => {
    cancel = timers.after(delay, () => {
      looking = look(delay)
    })
  }
  schedule(POLL_MS)
  return async () => {
    stopped = true
    cancel()
    await looking
  }
}
