import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** `session` is the hash of what the client holds. */
export interface UiaSession {
  readonly session: string
  /** null: nobody is logged in yet. */
  readonly userId: string | null
  readonly endpoint: string
  readonly bodyHash: string
  /** JSON: an object, what passed each stage; or a string, the account that came of it. */
  readonly completed: string
  readonly params: string
  readonly expiresMs: number
}

/** Stores a session of User-Interactive Authentication, unless it is there, and forgets those that have expired. */
export function insertUiaSession(row: UiaSession, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM uia_sessions WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO uia_sessions (session, user_id, endpoint, body_hash, completed, params, expires_ts)
      VALUES (${row.session}, ${row.userId}, ${row.endpoint}, ${row.bodyHash}, ${row.completed}, ${row.params},
        ${row.expiresMs}) ON CONFLICT (session) DO NOTHING`,
  ]
}

export interface UiaSessionRow {
  readonly session: string
  readonly user_id: string | null
  readonly endpoint: string
  readonly body_hash: string
  readonly completed: string
  readonly params: string
}

export async function uiaSession(db: Database, session: string, nowMs: number): Promise<UiaSessionRow | undefined> {
  const rows = await db.read<UiaSessionRow>(sql`SELECT session, user_id, endpoint, body_hash, completed, params
    FROM uia_sessions WHERE session = ${session} AND expires_ts > ${nowMs}`)
  return rows[0]
}

/** Holds while nobody has gone on with the session. */
export function uiaSessionHas(session: string, completed: string): Guard {
  const query = sql`SELECT completed FROM uia_sessions WHERE session = ${session}`
  return { about: `uia:${session}`, query, expect: [{ completed }] }
}

export function updateUiaSession(session: string, completed: string): Sql {
  return sql`UPDATE uia_sessions SET completed = ${completed} WHERE session = ${session}`
}

export function deleteUiaSession(session: string): Sql {
  return sql`DELETE FROM uia_sessions WHERE session = ${session}`
}
