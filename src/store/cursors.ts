import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** The place in the log that a follower has come to; undefined before it has begun. */
export async function cursorOf(db: Database, name: string): Promise<number | undefined> {
  const rows = await db.read<{ position: number }>(sql`SELECT position FROM cursors WHERE name = ${name}`)
  return rows[0]?.position
}

export function moveCursor(name: string, position: number): Sql {
  return sql`INSERT INTO cursors (name, position) VALUES (${name}, ${position})
    ON CONFLICT (name) DO UPDATE SET position = excluded.position`
}

export function dropCursor(name: string): Sql {
  return sql`DELETE FROM cursors WHERE name = ${name}`
}
