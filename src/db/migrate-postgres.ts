import pg from 'pg'
import type { SchemaConnection } from './migrate.ts'
import { clientConfig } from './postgres.ts'
import { asUnavailable } from './postgres-values.ts'

/** Any number, as long as it stays the same: who migrates holds the advisory lock of this name. */
const MIGRATION_LOCK = 7_236_019_482

/** Errors: DatabaseUnavailable. */
export async function postgresSchema(uri: string): Promise<SchemaConnection> {
  const client = new pg.Client(clientConfig(uri))
  // A connection that breaks shows in the query that was under way.
  client.on('error', () => undefined)
  await client.connect().catch((error: unknown) => {
    throw asUnavailable(error)
  })
  return {
    dialect: 'postgres',
    async lock() {
      await client.query('SELECT pg_advisory_lock($1::bigint)', [MIGRATION_LOCK])
    },
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
    async apply(statements, row) {
      await client.query('BEGIN')
      try {
        for (const statement of statements) await client.query(statement)
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
