import pg from 'pg'
import { DatabaseLocked } from './errors.ts'
import type { SchemaConnection } from './migrate.ts'
import { clientConfig, SERVER_LOCK } from './postgres.ts'
import { asUnavailable } from './postgres-values.ts'
import type { Time } from './sqlite.ts'

/** Any number, as long as it stays the same: who migrates holds the advisory lock of this name. */
const MIGRATION_LOCK = 7_236_019_482
/** A server that was killed a moment ago still counts until PostgreSQL has noticed. */
const PATIENCE_MS = 2000
const RETRY_MS = 100

/** A connection beside those of a server. Errors: DatabaseUnavailable. */
export async function connectAlone(uri: string): Promise<pg.Client> {
  const client = new pg.Client(clientConfig(uri))
  // A connection that breaks shows in the query that was under way.
  client.on('error', () => undefined)
  await client.connect().catch((error: unknown) => {
    throw asUnavailable(error)
  })
  return client
}

/** Errors: DatabaseUnavailable. */
export async function postgresSchema(uri: string, time: Time): Promise<SchemaConnection> {
  const client = await connectAlone(uri)
  return {
    dialect: 'postgres',
    async lock() {
      await client.query('SELECT pg_advisory_lock($1::bigint)', [MIGRATION_LOCK])
    },
    keepServersOut: () => keepServersOut(client, time),
    async names() {
      const { rows } = await client.query<{ name: string }>(
        'SELECT table_name AS name FROM information_schema.tables WHERE table_schema = current_schema()',
      )
      return rows.map(({ name }) => name)
    },
    async applied() {
      const { rows: tables } = await client.query(`SELECT 1 WHERE to_regclass('schema_migrations') IS NOT NULL`)
      if (tables.length === 0) return undefined
      const { rows } = await client.query<{ number: number }>('SELECT number FROM schema_migrations ORDER BY number')
      return rows.map(({ number }) => number)
    },
    async read(query) {
      const { rows } = await client.query<Record<string, unknown>>(query)
      return rows
    },
    async apply(statements, row, done) {
      await client.query('BEGIN')
      try {
        for (const statement of statements) {
          await client.query(statement)
          done()
        }
        await client.query('INSERT INTO schema_migrations VALUES ($1, $2, $3)', [row.number, row.name, row.appliedAt])
        await client.query('COMMIT')
      } catch (error) {
        await client.query('ROLLBACK').catch(() => undefined)
        throw error
      }
    },
    close: () => client.end(),
  }
}

/** Errors: DatabaseLocked. */
export async function keepServersOut(client: pg.Client, { clock, timers }: Time): Promise<void> {
  const start = clock.monotonic()
  for (;;) {
    const { rows } = await client.query<{ taken: number }>('SELECT pg_try_advisory_lock($1::bigint) AS taken', [
      SERVER_LOCK,
    ])
    if (rows[0]?.taken === 1) return
    if (clock.monotonic() - start > PATIENCE_MS) throw new DatabaseLocked('A running server uses the database')
    await timers.sleep(RETRY_MS)
  }
}
