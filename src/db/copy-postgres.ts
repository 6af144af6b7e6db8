import type pg from 'pg'
import { type CopySource, type CopyTarget, TargetInUse } from './copy.ts'
import { UnstorableText } from './errors.ts'
import { connectAlone, keepServersOut } from './migrate-postgres.ts'
import type { Row, SqlValue } from './sql.ts'
import type { Time } from './sqlite.ts'

const ROWS_MAX = 500

export async function postgresSource(uri: string): Promise<CopySource> {
  const client = await connectAlone(uri)
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  return {
    async tables() {
      const { rows } = await client.query<{ name: string }>(
        `SELECT table_name AS name FROM information_schema.tables
          WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1`,
      )
      const counts = new Map<string, number>()
      for (const { name } of rows) counts.set(name, await countIn(client, name))
      return counts
    },
    async *rows(table) {
      await client.query(`DECLARE copied NO SCROLL CURSOR FOR SELECT * FROM ${table}`)
      for (;;) {
        const { rows } = await client.query<Row>(`FETCH ${ROWS_MAX} FROM copied`)
        if (rows.length > 0) yield rows
        if (rows.length < ROWS_MAX) break
      }
      await client.query('CLOSE copied')
    },
    close: () => client.end(),
  }
}

/** The rows appear in one transaction; before it the database belongs to nobody. */
export async function postgresTarget(
  uri: string,
  time: Time,
  migrated: (connectionString: string) => Promise<unknown>,
): Promise<CopyTarget> {
  await migrated(uri)
  const client = await connectAlone(uri)
  try {
    await keepServersOut(client, time)
    const { rows: owners } = await client.query(`SELECT 1 FROM meta WHERE key = 'server_name'`)
    if (owners.length > 0) throw new TargetInUse('The database holds a server already')
    await client.query('BEGIN')
  } catch (error) {
    await client.end()
    throw error
  }
  const types = new Map<string, Map<string, string>>()
  return {
    clear: async (table) => void (await client.query(`DELETE FROM ${table}`)),
    async add(table, rows) {
      const columns = Object.keys(rows[0]!)
      const of = types.get(table) ?? (await columnTypes(client, table))
      types.set(table, of)
      const values = columns.map((column) => rows.map((row) => storable(table, row[column] ?? null)))
      const arrays = columns.map((column, index) => `$${index + 1}::${of.get(column)}[]`)
      const text = `INSERT INTO ${table} (${columns.join(', ')}) SELECT * FROM unnest(${arrays.join(', ')})`
      await client.query(text, values)
    },
    count: (table) => countIn(client, table),
    async keep() {
      await client.query('COMMIT')
      await client.query('ANALYZE')
    },
    close: () => client.end(),
  }
}

async function countIn(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ count: number }>(`SELECT COUNT(*) AS count FROM ${table}`)
  return rows[0]!.count
}

async function columnTypes(client: pg.Client, table: string): Promise<Map<string, string>> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT column_name AS name, udt_name AS type FROM information_schema.columns
      WHERE table_schema = current_schema() AND table_name = $1`,
    [table],
  )
  return new Map(rows.map(({ name, type }) => [name, type]))
}

/** Errors: UnstorableText. */
function storable(table: string, value: SqlValue): SqlValue {
  if (typeof value === 'string' && value.includes('\0'))
    throw new UnstorableText(`A text in ${table} has a NUL character, which PostgreSQL does not store`)
  return value
}
