import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** As text, for a database that is not open yet. */
export const SERVER_NAME_QUERY = `SELECT value FROM meta WHERE key = 'server_name'`

const serverNameQuery = sql`SELECT value FROM meta WHERE key = 'server_name'`

/** The server name that the database belongs to; undefined in a new one. */
export async function storedServerName(db: Database): Promise<string | undefined> {
  const rows = await db.read<{ value: string }>(serverNameQuery)
  return rows[0]?.value
}

export function serverNameIsUnset() {
  return { about: 'meta:server_name', query: serverNameQuery, expect: [] }
}

export function insertServerName(serverName: string): Sql {
  return sql`INSERT INTO meta (key, value) VALUES ('server_name', ${serverName})`
}

/** What is noted under a key of the program's own, as text. */
export async function noted(db: Database, key: string): Promise<string | undefined> {
  const rows = await db.read<{ value: string }>(notedQuery(key))
  return rows[0]?.value
}

function notedQuery(key: string): Sql {
  return sql`SELECT value FROM meta WHERE key = ${key}`
}

/** Holds while the note is still what was read. */
export function notedIsStill(key: string, value: string | undefined): Guard {
  return { about: `meta:${key}`, query: notedQuery(key), expect: value === undefined ? [] : [{ value }] }
}

export function note(key: string, value: string): Sql {
  return sql`INSERT INTO meta (key, value) VALUES (${key}, ${value})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`
}

export function dropNote(key: string): Sql {
  return sql`DELETE FROM meta WHERE key = ${key}`
}
