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
