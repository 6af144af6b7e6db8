import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

export async function storedFilter(db: Database, userId: string, filterId: number): Promise<string | undefined> {
  const rows = await db.read<{ definition: string }>(sql`SELECT definition FROM filters
    WHERE user_id = ${userId} AND filter_id = ${filterId}`)
  return rows[0]?.definition
}

export async function filterIdOf(db: Database, userId: string, definition: string): Promise<number | undefined> {
  const rows = await db.read<{ filter_id: number }>(sql`SELECT filter_id FROM filters
    WHERE user_id = ${userId} AND definition = ${definition} LIMIT 1`)
  return rows[0]?.filter_id
}

export function insertFilter(userId: string, filterId: number, definition: string): Sql {
  return sql`INSERT INTO filters (user_id, filter_id, definition) VALUES (${userId}, ${filterId}, ${definition})`
}
