import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** A login by single sign-on that is under way. `session` is the hash of what the browser holds. */
export interface SsoRow {
  readonly session: string
  readonly provider: string
  /** JSON text. */
  readonly data: string
}

/** Stores a session and forgets those that have expired. */
export function insertSsoSession({ session, provider, data }: SsoRow, expiresMs: number, nowMs: number): Sql[] {
  return [
    sql`DELETE FROM sso_sessions WHERE expires_ts <= ${nowMs}`,
    sql`INSERT INTO sso_sessions (session, provider, data, expires_ts)
      VALUES (${session}, ${provider}, ${data}, ${expiresMs})`,
  ]
}

export async function ssoSession(db: Database, session: string, nowMs: number): Promise<SsoRow | undefined> {
  const rows = await db.read<SsoRow>(sql`SELECT session, provider, data FROM sso_sessions
    WHERE session = ${session} AND expires_ts > ${nowMs}`)
  return rows[0]
}

/** Holds while nobody else has gone on with the session. */
export function ssoSessionIs({ session, data }: SsoRow): Guard {
  const query = sql`SELECT data FROM sso_sessions WHERE session = ${session}`
  return { about: `sso:${session}`, query, expect: [{ data }] }
}

export function deleteSsoSession(session: string): Sql {
  return sql`DELETE FROM sso_sessions WHERE session = ${session}`
}

/** What a provider calls a user of ours. */
export interface ExternalId {
  readonly provider: string
  readonly subject: string
}

export async function userOfExternalId(db: Database, { provider, subject }: ExternalId): Promise<string | undefined> {
  const rows = await db.read<{ user_id: string }>(sql`SELECT user_id FROM external_ids
    WHERE provider = ${provider} AND external_id = ${subject}`)
  return rows[0]?.user_id
}

export function externalIdIsFree({ provider, subject }: ExternalId): Guard {
  const query = sql`SELECT user_id FROM external_ids WHERE provider = ${provider} AND external_id = ${subject}`
  return { about: `external-id:${provider}:${subject}`, query, expect: [] }
}

export function insertExternalId({ provider, subject }: ExternalId, userId: string): Sql {
  return sql`INSERT INTO external_ids (provider, external_id, user_id) VALUES (${provider}, ${subject}, ${userId})`
}

/** The providers that know the user. */
export function externalIdsOf(db: Database, userId: string): Promise<{ provider: string; external_id: string }[]> {
  return db.read(sql`SELECT provider, external_id FROM external_ids WHERE user_id = ${userId}
    ORDER BY provider, external_id`)
}

export function deleteExternalIds(userId: string): Sql {
  return sql`DELETE FROM external_ids WHERE user_id = ${userId}`
}
