import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Somebody proves that an address is theirs. Of secret and token there are hashes alone. */
export interface ThreepidSession {
  readonly sid: string
  readonly clientSecret: string
  readonly medium: string
  readonly address: string
  /** null: the mail told something else, or its token is used. For a number, our secret at the identity server. */
  readonly tokenHash: Uint8Array | null
  readonly sendAttempt: number
  readonly nextLink: string | null
  readonly purpose: string
  readonly expiresMs: number
}

export interface ThreepidSessionRow {
  readonly sid: string
  readonly client_secret: string
  readonly medium: string
  readonly address: string
  readonly token_hash: Uint8Array | null
  readonly send_attempt: number
  readonly next_link: string | null
  readonly validated_ts: number | null
  readonly purpose: string
}

export async function threepidSession(
  db: Database,
  sid: string,
  nowMs: number,
): Promise<ThreepidSessionRow | undefined> {
  const rows =
    await db.read<ThreepidSessionRow>(sql`SELECT sid, client_secret, medium, address, token_hash, send_attempt,
    next_link, validated_ts, purpose FROM threepid_sessions WHERE sid = ${sid} AND expires_ts > ${nowMs}`)
  return rows[0]
}

/** Holds while the session is as it was read; undefined: while there is none. */
export function threepidSessionStays(sid: string, row: ThreepidSessionRow | undefined, nowMs: number): Guard {
  const query = sql`SELECT send_attempt, validated_ts FROM threepid_sessions
    WHERE sid = ${sid} AND expires_ts > ${nowMs}`
  const expect = row === undefined ? [] : [{ send_attempt: row.send_attempt, validated_ts: row.validated_ts }]
  return { about: `threepid-session:${sid}`, query, expect }
}

/** Holds while what was proved is not used yet. */
export function threepidSessionIsProved(sid: string, validatedMs: number, nowMs: number): Guard {
  const query = sql`SELECT validated_ts FROM threepid_sessions WHERE sid = ${sid} AND expires_ts > ${nowMs}`
  return { about: `threepid-session:${sid}`, query, expect: [{ validated_ts: validatedMs }] }
}

/** The address is known only once it is proved: whoever proves it parses it. */
export function nameThreepidSession(sid: string, address: string, validatedMs: number): Sql {
  return sql`UPDATE threepid_sessions SET address = ${address}, validated_ts = ${validatedMs} WHERE sid = ${sid}`
}

/** Stores a session in the place of an earlier one, and forgets those that have expired. */
export function putThreepidSession(row: ThreepidSession, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM threepid_sessions WHERE expires_ts <= ${nowMs} OR sid = ${row.sid}`,
    sql`INSERT INTO threepid_sessions (sid, client_secret, medium, address, token_hash, send_attempt, next_link,
        validated_ts, expires_ts, purpose)
      VALUES (${row.sid}, ${row.clientSecret}, ${row.medium}, ${row.address}, ${row.tokenHash}, ${row.sendAttempt},
        ${row.nextLink}, ${null}, ${row.expiresMs}, ${row.purpose})`,
  ]
}

/** Holds while the token can be used. */
export function threepidTokenIsGood(sid: string, tokenHash: Uint8Array, nowMs: number): Guard {
  const query = sql`SELECT sid FROM threepid_sessions
    WHERE sid = ${sid} AND token_hash = ${tokenHash} AND expires_ts > ${nowMs}`
  return { about: `threepid-session:${sid}`, query, expect: [{ sid }] }
}

/** The address is proved, and the token used up. */
export function validateThreepidSession(sid: string, nowMs: number, expiresMs: number): Sql {
  return sql`UPDATE threepid_sessions SET validated_ts = ${nowMs}, token_hash = NULL, expires_ts = ${expiresMs}
    WHERE sid = ${sid}`
}

export function deleteThreepidSession(sid: string): Sql {
  return sql`DELETE FROM threepid_sessions WHERE sid = ${sid}`
}
