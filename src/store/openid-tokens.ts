import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Stores a token and forgets those that have expired. */
export function insertOpenIdToken(tokenHash: Uint8Array, userId: string, expiresMs: number, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM openid_tokens WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO openid_tokens (token_hash, user_id, expires_ts) VALUES (${tokenHash}, ${userId}, ${expiresMs})`,
  ]
}

/** The user whom the token stands for, as long as the account is open. */
export async function userOfOpenIdToken(
  db: Database,
  tokenHash: Uint8Array,
  nowMs: number,
): Promise<string | undefined> {
  const rows = await db.read<{ user_id: string }>(sql`SELECT t.user_id FROM openid_tokens t
    JOIN users u ON u.user_id = t.user_id
    WHERE t.token_hash = ${tokenHash} AND t.expires_ts > ${nowMs} AND u.deactivated = 0`)
  return rows[0]?.user_id
}
