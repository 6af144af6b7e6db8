import type { Duplex } from 'node:stream'
import pg from 'pg'
import { DatabaseUnavailable } from './database.ts'
import type { Rendered } from './render.ts'

/** The answers hold what SQLite's hold: integers as numbers, truth values as 0 and 1. */
export const pgTypes: pg.CustomTypesConfig = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8 || oid === NUMERIC) return Number
    if (oid === BOOL) return (value: string) => (value === 't' ? 1 : 0)
    return pg.types.getTypeParser(oid, format as 'text')
  },
}

const BOOL = 16
const INT8 = 20
const NUMERIC = 1700

export const UNDEFINED_TABLE = '42P01'

/**
 * Connection lost, no room, shutting down, a system error, read-only, a serialization failure, or a prepared statement
 * that no longer fits: none says anything about the query itself. Whatever is no answer of the server is a lost
 * connection.
 */
const UNAVAILABLE = /^(08|53|57|58|XX|25006|40001|40P01|0A000|26000|55P03|25P03)/

export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailable) return true
  return !(error instanceof pg.DatabaseError) || error.code === undefined || UNAVAILABLE.test(error.code)
}

export function asUnavailable(error: unknown): DatabaseUnavailable {
  if (error instanceof DatabaseUnavailable) return error
  return new DatabaseUnavailable((error as Error).message, { cause: error })
}

/** As pg takes it: prepared once per connection under the statement's name. */
export function namedQuery({ statement, values }: Rendered): pg.QueryConfig {
  const { name, text } = statement
  return name === undefined ? { text, values } : { name, text, values }
}

/** Sends together what `send` asks: a system call for each of some hundred statements is a third of the work. */
export function inOneWrite<T>(client: pg.ClientBase, send: () => T): T {
  const { stream } = (client as pg.ClientBase & { readonly connection: { readonly stream: Duplex } }).connection
  stream.cork()
  try {
    return send()
  } finally {
    stream.uncork()
  }
}
