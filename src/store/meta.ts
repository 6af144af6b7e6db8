import type { Database } from '../db/database.ts'
import { sql } from '../db/sql.ts'

/** The server name that the database belongs to: the first to open it writes its own. */
export async function claimServerName(db: Database, serverName: string): Promise<string> {
  const query = sql`SELECT value FROM meta WHERE key = 'server_name'`
  const found = await db.read<{ value: string }>(query)
  if (found[0] !== undefined) return found[0].value
  await db.commit({
    guards: [{ about: 'meta:server_name', query, expect: [] }],
    writes: [sql`INSERT INTO meta (key, value) VALUES ('server_name', ${serverName})`],
    log: [],
  })
  const written = await db.read<{ value: string }>(query)
  return written[0]?.value ?? serverName
}
