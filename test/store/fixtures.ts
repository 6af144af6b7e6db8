import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { type Migration, migrationsTable } from '../../src/db/migrate.ts'
import type { Dialect } from '../../src/db/sql.ts'
import type { Known } from './populate.ts'

const DIRECTORY = join(import.meta.dirname, '../fixtures')
const KNOWN = '-- known: '
const ROWS = '-- rows\n'
const STATEMENT_END = ';\n\n'

/** The rows of every table, each value as text the way SQL writes it. */
export type Tables = ReadonlyMap<string, { readonly columns: readonly string[]; readonly rows: readonly Row[] }>
type Row = readonly string[]

/** A connection of a fixture's own, beside what the server opens. */
export interface Raw {
  run(script: string): Promise<void>
  query(text: string): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

export function fixturePath(number: number, dialect: Dialect): string {
  return join(DIRECTORY, `${String(number).padStart(4, '0')}-${dialect}.sql`)
}

/** What stands in a fixture: the statements that made its schema, its rows, and what its clients know. */
export function readFixture(number: number, dialect: Dialect): { known: Known; script: string; schema: string[] } {
  const path = fixturePath(number, dialect)
  if (!existsSync(path)) throw new Error(`There is no ${path}: run npm run fixture while that schema is the newest`)
  const script = readFileSync(path, 'utf8')
  const afterKnown = script.indexOf('\n')
  const schema = script
    .slice(afterKnown + 1, script.indexOf(ROWS))
    .split(STATEMENT_END)
    .slice(0, -1)
  return { known: JSON.parse(script.slice(KNOWN.length, afterKnown)), script, schema }
}

/**
 * Writes a fixture as SQL: the statements of the migrations as they are today, so that the schema stays what it was
 * when the fixture was made, then all rows.
 */
export function renderFixture(migrations: readonly Migration[], dialect: Dialect, known: Known, rows: Tables): string {
  return [
    `${KNOWN}${JSON.stringify(known)}\n`,
    ...schemaOf(migrations, dialect).map((statement) => `${statement}${STATEMENT_END}`),
    ROWS,
    ...[...rows].map(([table, content]) => renderTable(table, content)),
  ].join('')
}

/** A migration may have put rows of its own into the table. */
function renderTable(table: string, { columns, rows }: { columns: readonly string[]; rows: readonly Row[] }): string {
  const values = rows.map((row) => `(${row.join(', ')})`).join(',\n')
  const insert =
    rows.length === 0 ? '' : `INSERT INTO ${table} (${columns.join(', ')}) VALUES\n${values}${STATEMENT_END}`
  return `DELETE FROM ${table}${STATEMENT_END}${insert}`
}

/** The statements that make the schema of these migrations. */
export function schemaOf(migrations: readonly Migration[], dialect: Dialect): string[] {
  return [migrationsTable(dialect), ...migrations.flatMap((migration) => migration.up(dialect))].map((text) =>
    text.trim(),
  )
}

/** Opens the database by itself; the SQLite file is made when it is missing. */
export async function openRaw(connectionString: string): Promise<Raw> {
  if (connectionString.startsWith('file:')) {
    const path = connectionString.slice('file:'.length)
    mkdirSync(dirname(path), { recursive: true })
    const db = new Sqlite(path)
    return {
      run: async (script) => void db.exec(script),
      query: async (text) => db.prepare(text).all() as Record<string, unknown>[],
      close: async () => void db.close(),
    }
  }
  const client = new pg.Client({ connectionString })
  await client.connect()
  return {
    run: async (script) => void (await client.query(script)),
    query: async (text) => (await client.query(text)).rows,
    close: () => client.end(),
  }
}

/** Fills an empty database with the fixture and answers with its rows. */
export async function loadFixture(uri: string, dialect: Dialect, script: string): Promise<Tables> {
  const raw = await openRaw(uri)
  await raw.run(script)
  const tables = await readTables(raw, dialect)
  await raw.close()
  return tables
}

export async function tablesOf(uri: string, dialect: Dialect): Promise<Tables> {
  const raw = await openRaw(uri)
  const tables = await readTables(raw, dialect)
  await raw.close()
  return tables
}

/** The index of messages cannot be written down; without its cursors the server makes it anew. */
const KEPT: ReadonlyMap<string, string> = new Map([
  ['cursors', "WHERE name NOT LIKE 'search%'"],
  ['meta', "WHERE key NOT LIKE 'search%'"],
])

export async function readTables(raw: Raw, dialect: Dialect): Promise<Tables> {
  const catalogue =
    dialect === 'sqlite'
      ? `SELECT t.name AS "table", c.name AS "column" FROM sqlite_master t, pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name NOT LIKE 'search_index%'
         ORDER BY t.name, c.cid`
      : `SELECT table_name AS "table", column_name AS "column" FROM information_schema.columns
         WHERE table_schema = current_schema() AND table_name <> 'search_index'
         ORDER BY table_name COLLATE "C", ordinal_position`
  const columns = new Map<string, string[]>()
  for (const row of await raw.query(catalogue)) {
    const of = columns.get(String(row.table)) ?? []
    columns.set(String(row.table), [...of, String(row.column)])
  }
  const tables = new Map<string, { columns: string[]; rows: Row[] }>()
  for (const [table, names] of columns) {
    const rows = await raw.query(`SELECT * FROM ${table} ${KEPT.get(table) ?? ''} ORDER BY 1, 2`)
    tables.set(table, { columns: names, rows: rows.map((row) => names.map((name) => literal(row[name], dialect))) })
  }
  return tables
}

function literal(value: unknown, dialect: Dialect): string {
  if (value === null) return 'NULL'
  if (Buffer.isBuffer(value))
    return dialect === 'sqlite' ? `x'${value.toString('hex')}'` : `'\\x${value.toString('hex')}'`
  if (typeof value === 'string' || typeof value === 'number')
    return typeof value === 'number' ? `${value}` : quoted(value)
  throw new Error(`A fixture cannot hold ${typeof value}`)
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
