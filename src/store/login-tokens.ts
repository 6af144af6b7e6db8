import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Stores a token and forgets those that have expired. */
export function insertLoginToken(tokenHash: Uint8Array, userId: string, expiresMs: number, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM login_tokens WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO login_tokens (token_hash, user_id, expires_ts) VALUES (${tokenHash}, ${userId}, ${expiresMs})`,
  ]
}

export async function userOfLoginToken(db: Database, tokenHash: Uint8Array): Promise<string | undefined> {
  const rows = await db.read<{ user_id: string }>(sql`SELECT user_id FROM login_tokens WHERE token_hash = ${tokenHash}`)
  return rows[0]?.user_id
}

export function loginTokenIsGood(tokenHash: Uint8Array, userId: string, nowMs: number): Guard {
  const query = sql`SELECT user_id FROM login_tokens WHERE token_hash = ${tokenHash} AND expires_ts > ${nowMs}`
  return { about: `login-token:${Buffer.from(tokenHash).toString('hex')}`, query, expect: [{ user_id: userId }] }
}

export function deleteLoginToken(tokenHash: Uint8Array): Sql {
  return sql`DELETE FROM login_tokens WHERE token_hash = ${tokenHash}`
}

/** There are few tokens, and none is older than minutes: they need no index. */
export function deleteLoginTokensOf(userId: string): Sql {
  return sql`DELETE FROM login_tokens WHERE user_id = ${userId}`
}
