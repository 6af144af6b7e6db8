import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** `session` is the hash of what the client holds. */
export interface UiaSession {
  readonly session: string
  /** null: nobody is logged in yet. */
  readonly userId: string | null
  readonly endpoint: string
  readonly bodyHash: string
  /** What came of it: a user id, once there is one. */
  readonly completed: readonly string[]
  readonly params: string
  readonly expiresMs: number
}

/** Stores a session of User-Interactive Authentication and forgets those that have expired. */
export function insertUiaSession(row: UiaSession, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM uia_sessions WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO uia_sessions (session, user_id, endpoint, body_hash, completed, params, expires_ts)
      VALUES (${row.session}, ${row.userId}, ${row.endpoint}, ${row.bodyHash}, ${JSON.stringify(row.completed)},
        ${row.params}, ${row.expiresMs})`,
  ]
}

export interface UiaSessionRow {
  readonly user_id: string | null
  readonly endpoint: string
  readonly completed: string
  readonly params: string
}

export async function uiaSession(db: Database, session: string, nowMs: number): Promise<UiaSessionRow | undefined> {
  const rows = await db.read<UiaSessionRow>(sql`SELECT user_id, endpoint, completed, params FROM uia_sessions
    WHERE session = ${session} AND expires_ts > ${nowMs}`)
  return rows[0]
}

/** Holds while the session is open, and for exactly this request. */
export function uiaSessionMatches(row: Omit<UiaSession, 'completed' | 'params' | 'expiresMs'>, nowMs: number): Guard {
  const query = sql`SELECT user_id, endpoint, body_hash, completed FROM uia_sessions
    WHERE session = ${row.session} AND expires_ts > ${nowMs}`
  const expect = [{ user_id: row.userId, endpoint: row.endpoint, body_hash: row.bodyHash, completed: '[]' }]
  return { about: `uia:${row.session}`, query, expect }
}

export function deleteUiaSession(session: string): Sql {
  return sql`DELETE FROM uia_sessions WHERE session = ${session}`
}
