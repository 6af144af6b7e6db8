import { type JsonObject, type JsonValue, parseJson } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Every field of the user's profile. */
export async function profileOf(db: Database, userId: string): Promise<JsonObject> {
  const rows = await db.read<{ key: string; value: string }>(
    sql`SELECT key, value FROM profiles WHERE user_id = ${userId}`,
  )
  return Object.fromEntries(rows.map((row): [string, JsonValue] => [row.key, parseJson(row.value)]))
}

/** `value` is JSON text. */
export function setProfileField(userId: string, key: string, value: string): Sql {
  return sql`INSERT INTO profiles (user_id, key, value) VALUES (${userId}, ${key}, ${value})
    ON CONFLICT (user_id, key) DO UPDATE SET value = excluded.value`
}

export function deleteProfileField(userId: string, key: string): Sql {
  return sql`DELETE FROM profiles WHERE user_id = ${userId} AND key = ${key}`
}
