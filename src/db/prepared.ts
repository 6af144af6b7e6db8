import type Sqlite from 'better-sqlite3'
import type { BoundValue, Statement } from './render.ts'
import type { Row, SqlValue } from './sql.ts'

/** The statements of a connection to SQLite. */
export type PreparedStatements = WeakMap<Statement, Prepared>

interface Prepared {
  /** The rows that a query has. */
  all(values: readonly BoundValue[]): Row[]
  /** Runs a write; the rows of a RETURNING are dropped. */
  run(values: readonly BoundValue[]): void
}

export function prepared(db: Sqlite.Database, statements: PreparedStatements, statement: Statement): Prepared {
  let found = statements.get(statement)
  if (found === undefined) {
    found = prepare(db.prepare<unknown[], SqlValue[]>(statement.text))
    statements.set(statement, found)
  }
  return found
}

function prepare(statement: Sqlite.Statement<unknown[], SqlValue[]>): Prepared {
  const run = (values: readonly BoundValue[]) => void statement.run(...values)
  if (!statement.reader) return { run, all: (values) => statement.all(...values) as unknown as Row[] }
  const toRow = rowMaker(statement.columns().map(({ name }) => name))
  const bare = statement.raw(true)
  return { run, all: (values) => bare.all(...values).map((row) => toRow(row)) }
}

/**
 * Names the values of a row. It is compiled, so that V8 knows the shape of the rows: better-sqlite3 takes twice as long
 * to read and name them by itself. The names are those of our own statements.
 */
function rowMaker(names: readonly string[]): (values: readonly SqlValue[]) => Row {
  const fields = names.map((name, index) => `${JSON.stringify(name)}:values[${index}]`)
  return new Function('values', `return {${fields.join(',')}}`) as (values: readonly SqlValue[]) => Row
}
