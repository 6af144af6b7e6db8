import type { Database } from '../db/database.ts'
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
