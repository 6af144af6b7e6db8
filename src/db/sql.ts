/**
 * One SQL text for both engines. A hole of the `sql` tag is a value, a nested query, a list that travels as one bound
 * value (`textList`, `intList`), a log position known only at the commit (`logPosition`), or text that differs per
 * engine (`perDialect`).
 */
export type Dialect = 'sqlite' | 'postgres'

/** What a column holds. Truth values are 0 and 1; integers stay within ±(2^53−1). */
export type SqlValue = string | number | Uint8Array | null
export type Row = Record<string, SqlValue>

export interface Sql {
  readonly strings: readonly string[]
  readonly holes: readonly Hole[]
  /** Set by `rowsOf`. */
  readonly rows?: Table
}

/** What a write of rows alone has for PostgreSQL, which takes the rows of many batches in one statement. */
export interface Table {
  readonly name: string
  /** In the order of the holes, which are values and at most one list: that stands for a row for each item. */
  readonly columns: Readonly<Record<string, 'text' | 'bigint'>>
  readonly onConflict?: string
  /** The column whose rows are changed; undefined: rows are added. Of several the last counts. */
  readonly key?: string
}

export interface List {
  readonly list: 'text' | 'bigint'
  readonly values: readonly (string | number)[]
}

/** Stands for the position that the commit gives to the batch's log row number `logRow` (0-based). */
export interface LogPosition {
  readonly logRow: number
}

export interface PerDialect {
  readonly sqlite: string
  readonly postgres: string
}

export type Hole = SqlValue | Sql | List | LogPosition | PerDialect

export function sql(strings: TemplateStringsArray, ...holes: Hole[]): Sql {
  return { strings, holes }
}

/**
 * The write does nothing but add rows to a table, or change rows by a key, as `table` says. Nothing that it writes
 * depends on other rows, so that those of batches that stand side by side may be written table by table.
 */
export function rowsOf(table: Table, write: Sql): Sql {
  return { ...write, rows: table }
}

/** `column IN ${textList(ids)}`: one bound value, however many ids. */
export function textList(values: readonly string[]): List {
  return { list: 'text', values }
}

/** `column IN ${intList(ids)}`: one bound value, however many ids. */
export function intList(values: readonly number[]): List {
  return { list: 'bigint', values }
}

export function logPosition(logRow: number): LogPosition {
  return { logRow }
}

export function perDialect(texts: PerDialect): PerDialect {
  return texts
}
