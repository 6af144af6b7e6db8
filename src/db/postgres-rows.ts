import type { BoundValue, Rendered, Statement } from './render.ts'
import type { Table } from './sql.ts'

/** A rendered write, and the table whose rows alone it writes. */
export interface RenderedWrite extends Rendered {
  readonly rows?: Table | undefined
}

/**
 * The writes of a group, batch by batch, with those of neighbouring batches that write nothing but rows put together
 * table by table: some statements for all of them instead of some for each.
 */
export function together(batches: readonly (readonly RenderedWrite[])[]): Rendered[] {
  const writes: Rendered[] = []
  let run: RenderedWrite[][] = []
  const end = () => {
    writes.push(...(run.length === 1 ? run[0]! : byTable(run.flat())))
    run = []
  }
  for (const batch of batches) {
    if (batch.every(({ rows }) => rows !== undefined)) run.push([...batch])
    else {
      end()
      writes.push(...batch)
    }
  }
  end()
  return writes
}

function byTable(writes: readonly RenderedWrite[]): Rendered[] {
  const tables = new Map<Table, BoundValue[][]>()
  for (const { rows: table, values } of writes) {
    const rows = tables.get(table!)
    if (rows === undefined) tables.set(table!, rowsIn(values))
    else rows.push(...rowsIn(values))
  }
  return [...tables].map(([table, rows]) => oneStatement(table, rows))
}

function rowsIn(values: BoundValue[]): BoundValue[][] {
  const list = values.find((value) => Array.isArray(value))
  if (!Array.isArray(list)) return [values]
  return list.map((item: string | number) => values.map((value) => (value === list ? item : value)))
}

function oneStatement(table: Table, all: readonly BoundValue[][]): Rendered {
  const names = Object.keys(table.columns)
  const at = table.key === undefined ? -1 : names.indexOf(table.key)
  const rows = at < 0 ? all : [...new Map(all.map((row) => [row[at], row])).values()]
  const values = names.map((_name, column) => rows.map((row) => row[column]) as string[] | number[])
  return { statement: statementFor(table), values }
}

const statements = new WeakMap<Table, Statement>()

function statementFor(table: Table): Statement {
  let statement = statements.get(table)
  if (statement === undefined) {
    const text = table.key === undefined ? insertText(table) : updateText(table, table.key)
    statement = { text, name: `rows_${table.name}` }
    statements.set(table, statement)
  }
  return statement
}

function insertText({ name, columns, onConflict = '' }: Table): string {
  return `INSERT INTO ${name} (${Object.keys(columns).join(', ')}) SELECT * FROM ${unnested(columns)} ${onConflict}`
}

/** The key stands there twice: so the index on it is used, however large the table was when this was planned. */
function updateText({ name, columns }: Table, key: string): string {
  const names = Object.keys(columns)
  const changes = names.filter((column) => column !== key).map((column) => `${column} = v.${column}`)
  return `UPDATE ${name} AS t SET ${changes.join(', ')} FROM ${unnested(columns)} AS v (${names.join(', ')})
    WHERE t.${key} = v.${key} AND t.${key} = ANY ($${names.indexOf(key) + 1})`
}

function unnested(columns: Table['columns']): string {
  const lists = Object.values(columns).map((type, index) => `$${index + 1}::${type}[]`)
  return `unnest(${lists.join(', ')})`
}
