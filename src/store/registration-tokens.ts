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
