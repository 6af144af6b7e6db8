import type { Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** `session` is the hash of what the client holds. */
export interface UiaSession {
  readonly session: string
  /** null: nobody is logged in yet. */
  readonly userId: string | null
  readonly endpoint: string
  readonly bodyHash: string
  readonly expiresMs: number
}

/** Stores a session of User-Interactive Authentication and forgets those that have expired. */
export function insertUiaSession(row: UiaSession, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM uia_sessions WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO uia_sessions (session, user_id, endpoint, body_hash, completed, params, expires_ts)
      VALUES (${row.session}, ${row.userId}, ${row.endpoint}, ${row.bodyHash}, ${'[]'}, ${'{}'}, ${row.expiresMs})`,
  ]
}

/** Holds while the session is open for exactly this request. */
export function uiaSessionMatches(row: Omit<UiaSession, 'expiresMs'>, nowMs: number): Guard {
  const query = sql`SELECT user_id, endpoint, body_hash FROM uia_sessions
    WHERE session = ${row.session} AND expires_ts > ${nowMs}`
  const expect = [{ user_id: row.userId, endpoint: row.endpoint, body_hash: row.bodyHash }]
  return { about: `uia:${row.session}`, query, expect }
}

export function deleteUiaSession(session: string): Sql {
  return sql`DELETE FROM uia_sessions WHERE session = ${session}`
}
