import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Whether one more account can be made with the token. */
export async function registrationTokenIsGood(db: Database, token: string, nowMs: number): Promise<boolean> {
  return (await db.read(goodToken(token, nowMs))).length > 0
}

export function registrationTokenStaysGood(token: string, nowMs: number): Guard {
  return { about: `registration-token:${token}`, query: goodToken(token, nowMs), expect: [{ token }] }
}

export function useRegistrationToken(token: string): Sql {
  return sql`UPDATE registration_tokens SET completed = completed + 1 WHERE token = ${token}`
}

function goodToken(token: string, nowMs: number): Sql {
  return sql`SELECT token FROM registration_tokens WHERE token = ${token}
    AND (uses_allowed IS NULL OR completed < uses_allowed) AND (expires_ts IS NULL OR expires_ts > ${nowMs})`
}

export interface RegistrationTokenRow {
  readonly token: string
  readonly uses_allowed: number | null
  readonly pending: number
  readonly completed: number
  readonly expires_ts: number | null
}

/** Tokens listed at once. */
const MAX_LISTED = 10_000
const COLUMNS = sql`token, uses_allowed, pending, completed, expires_ts`

export async function registrationToken(db: Database, token: string): Promise<RegistrationTokenRow | undefined> {
  return (await db.read<RegistrationTokenRow>(rowOf(token)))[0]
}

/** All tokens, or those alone with which one can still register, or no more. */
export async function registrationTokens(
  db: Database,
  nowMs: number,
  valid: boolean | undefined,
): Promise<RegistrationTokenRow[]> {
  const rows = await db.read<RegistrationTokenRow>(sql`SELECT ${COLUMNS} FROM registration_tokens
    ORDER BY token LIMIT ${MAX_LISTED}`)
  return rows.filter((row) => valid === undefined || isGood(row, nowMs) === valid)
}

export function registrationTokenIsFree(token: string): Guard {
  return { about: `registration-token:${token}`, query: rowOf(token), expect: [] }
}

export function insertRegistrationToken(row: RegistrationTokenRow): Sql {
  return sql`INSERT INTO registration_tokens (token, uses_allowed, expires_ts)
    VALUES (${row.token}, ${row.uses_allowed}, ${row.expires_ts})`
}

export function limitRegistrationToken(row: RegistrationTokenRow): Sql {
  return sql`UPDATE registration_tokens SET uses_allowed = ${row.uses_allowed}, expires_ts = ${row.expires_ts}
    WHERE token = ${row.token}`
}

export function deleteRegistrationToken(token: string): Sql {
  return sql`DELETE FROM registration_tokens WHERE token = ${token}`
}

function rowOf(token: string): Sql {
  return sql`SELECT ${COLUMNS} FROM registration_tokens WHERE token = ${token}`
}

function isGood({ uses_allowed: uses, completed, expires_ts: expires }: RegistrationTokenRow, nowMs: number): boolean {
  return (uses === null || completed < uses) && (expires === null || expires > nowMs)
}
