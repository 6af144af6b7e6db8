import type { Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Stores a nonce and forgets those that have expired. */
export function insertNonce(nonce: string, expiresMs: number, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM registration_nonces WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO registration_nonces (nonce, expires_ts) VALUES (${nonce}, ${expiresMs})`,
  ]
}

export function nonceIsGood(nonce: string, nowMs: number): Guard {
  const query = sql`SELECT nonce FROM registration_nonces WHERE nonce = ${nonce} AND expires_ts > ${nowMs}`
  return { about: `nonce:${nonce}`, query, expect: [{ nonce }] }
}

export function deleteNonce(nonce: string): Sql {
  return sql`DELETE FROM registration_nonces WHERE nonce = ${nonce}`
}
