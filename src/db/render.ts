import { UnstorableText } from './errors.ts'
import type { Dialect, Hole, List, LogPosition, PerDialect, Sql, SqlValue } from './sql.ts'

/**
 * A text of SQL that is prepared once per connection. One call site with holes of one shape always gives the same
 * object.
 */
export interface Statement {
  readonly text: string
  /** Names the prepared statement on PostgreSQL. Undefined once too many have names. */
  readonly name: string | undefined
}

export type BoundValue = SqlValue | string[] | number[]

export interface Rendered {
  readonly statement: Statement
  readonly values: BoundValue[]
}

/** A query built at run time could have ever new shapes: beyond these, texts are built afresh and not kept. */
const MAX_SHAPES_PER_SITE = 256
const MAX_NAMED_STATEMENTS = 2000

/**
 * The text and the values for one engine. `positions` are those that the commit gave to the batch's log rows.
 * Throws TypeError for a number that is no integer within ±(2^53−1), and for PostgreSQL for a text with a NUL
 * character.
 */
export function render(query: Sql, dialect: Dialect, positions: readonly number[] = []): Rendered {
  const values: BoundValue[] = []
  const shape = shapeOf(query, dialect, positions, values)
  let shapes = cache[dialect].get(query.strings)
  if (shapes === undefined) {
    shapes = new Map()
    cache[dialect].set(query.strings, shapes)
  }
  let statement = shapes.get(shape)
  if (statement === undefined) {
    statement = { text: textOf(query, dialect, { holes: 0 }), name: nextName() }
    if (shapes.size < MAX_SHAPES_PER_SITE) shapes.set(shape, statement)
  }
  return { statement, values }
}

const cache = {
  sqlite: new WeakMap<readonly string[], Map<string, Statement>>(),
  postgres: new WeakMap<readonly string[], Map<string, Statement>>(),
}

let names = 0

function nextName(): string | undefined {
  if (names >= MAX_NAMED_STATEMENTS) return undefined
  names += 1
  return `s${names}`
}

/** What the text depends on, as a key. Collects the values on the way. */
function shapeOf(query: Sql, dialect: Dialect, positions: readonly number[], values: BoundValue[]): string {
  let shape = ''
  for (const hole of query.holes) {
    if (isNested(hole)) {
      shape += `(${siteOf(hole.strings)}:${shapeOf(hole, dialect, positions, values)})`
    } else if (isPerDialect(hole)) {
      shape += `{${hole[dialect]}}`
    } else {
      values.push(boundValue(hole, dialect, positions))
      shape += dialect === 'sqlite' ? (isList(hole) ? 'l' : '?') : `$${castOf(hole)}`
    }
  }
  return shape
}

const sites = new WeakMap<readonly string[], number>()
let siteCount = 0

function siteOf(strings: readonly string[]): number {
  let site = sites.get(strings)
  if (site === undefined) {
    siteCount += 1
    site = siteCount
    sites.set(strings, site)
  }
  return site
}

function boundValue(hole: SqlValue | List | LogPosition, dialect: Dialect, positions: readonly number[]): BoundValue {
  if (isList(hole)) {
    for (const item of hole.values) check(item, dialect)
    return dialect === 'sqlite' ? JSON.stringify(hole.values) : ([...hole.values] as string[] | number[])
  }
  const value = isLogPosition(hole) ? positions[hole.logRow] : hole
  if (value === undefined)
    throw new TypeError('A hole of a query has no value, or names a log row that the batch lacks')
  check(value, dialect)
  return value
}

function check(value: SqlValue, dialect: Dialect): void {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new TypeError(`${value} is no integer to store`)
  // Refused here, so that what a remote sends does not make a whole group fail and be replayed.
  if (dialect === 'postgres' && typeof value === 'string' && value.includes('\0')) {
    throw new UnstorableText('PostgreSQL stores no text with a NUL character')
  }
}

function textOf(query: Sql, dialect: Dialect, count: { holes: number }): string {
  let text = query.strings[0] ?? ''
  for (const [index, hole] of query.holes.entries()) {
    if (dialect === 'sqlite' && LIMIT.test(text)) text += '0 + '
    const member = dialect === 'postgres' && isList(hole) ? MEMBER.exec(text) : null
    if (member === null) text += holeText(hole, dialect, count)
    else text = text.slice(0, member.index) + memberText(hole as List, member[1] !== undefined, count)
    text += query.strings[index + 1] ?? ''
  }
  return text
}

const MEMBER = /(NOT )?IN\s+$/
/** SQLite plans for the very number of a bare `LIMIT ?`, and so prepares the statement anew for each execution. */
const LIMIT = /LIMIT\s+$/

/**
 * PostgreSQL looks each item of an array up in an index. A subquery it may join with the whole table, and goes on so
 * with a prepared statement that it planned while the table was small.
 */
function memberText(list: List, not: boolean, count: { holes: number }): string {
  count.holes += 1
  return `${not ? '<> ALL' : '= ANY'} ($${count.holes}${castOf(list)})`
}

function holeText(hole: Hole, dialect: Dialect, count: { holes: number }): string {
  if (isNested(hole)) return textOf(hole, dialect, count)
  if (isPerDialect(hole)) return hole[dialect]
  count.holes += 1
  if (dialect === 'sqlite') return isList(hole) ? '(SELECT value FROM json_each(?))' : '?'
  const bound = `$${count.holes}${castOf(hole)}`
  return isList(hole) ? `(SELECT unnest(${bound}))` : bound
}

/**
 * PostgreSQL takes a bare `$1` for text where nothing around it says otherwise, so that every value says what it is.
 */
function castOf(hole: SqlValue | List | LogPosition): string {
  if (hole === null) return ''
  if (typeof hole === 'string') return '::text'
  if (typeof hole === 'number' || isLogPosition(hole)) return '::bigint'
  if (isList(hole)) return hole.list === 'text' ? '::text[]' : '::bigint[]'
  return '::bytea'
}

function isNested(hole: Hole): hole is Sql {
  return typeof hole === 'object' && hole !== null && 'strings' in hole
}

function isPerDialect(hole: Hole): hole is PerDialect {
  return typeof hole === 'object' && hole !== null && 'sqlite' in hole
}

function isList(hole: Hole): hole is List {
  return typeof hole === 'object' && hole !== null && 'list' in hole
}

function isLogPosition(hole: Hole): hole is LogPosition {
  return typeof hole === 'object' && hole !== null && 'logRow' in hole
}
