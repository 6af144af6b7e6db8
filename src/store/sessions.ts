import type { UserId } from '../core/ids.ts'
import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import { deletePushersOfSessions } from './pushers.ts'
import type { UserKind } from './users.ts'

export interface SessionRow {
  readonly session: number
  readonly user_id: UserId
  readonly device_id: string
  readonly expires_ts: number | null
  /** Set where the token can be refreshed. */
  readonly family: string | null
  readonly used: number
  /** The client of OAuth 2.0 that has it; null: the legacy API. */
  readonly client_id: string | null
  readonly kind: UserKind
  readonly deactivated: number
  readonly locked: number
  readonly suspended: number
}

/** The session behind an access token, with what decides whether its user may act. */
export async function sessionByToken(db: Database, tokenHash: Uint8Array): Promise<SessionRow | undefined> {
  const rows =
    await db.read<SessionRow>(sql`SELECT s.session, s.user_id, s.device_id, s.expires_ts, s.family, s.used, s.client_id,
      u.kind, u.deactivated, u.locked, u.suspended
    FROM sessions s JOIN users u ON u.user_id = s.user_id WHERE s.token_hash = ${tokenHash}`)
  return rows[0]
}

/**
 * Undefined when the account is closed or the device is gone, with its session. An application service may speak for
 * its users without any device, which is ''.
 */
export async function deviceIsIn(
  db: Database,
  userId: string,
  deviceId: string,
): Promise<{ readonly locked: boolean } | undefined> {
  const rows = await db.read<{ locked: number }>(sql`SELECT u.locked FROM users u WHERE u.user_id = ${userId}
    AND u.deactivated = 0
    AND (${deviceId} = ''
      OR EXISTS (SELECT 1 FROM devices d WHERE d.user_id = u.user_id AND d.device_id = ${deviceId}))`)
  return rows[0] && { locked: rows[0].locked === 1 }
}

/** A pair of tokens. Those that replaced one another, from one login on, are a family. */
export interface NewSession {
  readonly session: number
  readonly userId: string
  readonly deviceId: string
  readonly tokenHash: Uint8Array
  readonly refreshHash: Uint8Array | null
  readonly family: string | null
  readonly expiresMs: number | null
  /** What an OAuth 2.0 client was granted; null: the legacy API. */
  readonly grant: Grant | null
  readonly nowMs: number
}

export interface Grant {
  readonly clientId: string
  readonly scope: string
}

/** A session and its device; a login to a known device ends the device's earlier sessions. */
export function insertLogin(login: NewSession, displayName: string | null): Sql[] {
  const device = sql`user_id = ${login.userId} AND device_id = ${login.deviceId}`
  return [
    sql`INSERT INTO devices (user_id, device_id, display_name, created_ts, last_seen_ts)
      VALUES (${login.userId}, ${login.deviceId}, ${displayName}, ${login.nowMs}, ${login.nowMs})
      ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen_ts = excluded.last_seen_ts, dehydrated = 0`,
    deletePushersOfSessions(login.userId, device),
    sql`DELETE FROM sessions WHERE ${device}`,
    insertSession(login),
  ]
}

export function insertSession(row: NewSession): Sql {
  return sql`INSERT INTO sessions (session, user_id, device_id, token_hash, refresh_hash, family, created_ts,
      expires_ts, client_id, scope)
    VALUES (${row.session}, ${row.userId}, ${row.deviceId}, ${row.tokenHash}, ${row.refreshHash}, ${row.family},
      ${row.nowMs}, ${row.expiresMs}, ${row.grant?.clientId ?? null}, ${row.grant?.scope ?? null})`
}

export interface RefreshableRow {
  readonly session: number
  readonly user_id: string
  readonly device_id: string
  readonly family: string
  /** The session that replaced this one, and whether its tokens have been used. */
  readonly refreshed_by: number | null
  readonly successor_used: number | null
  readonly client_id: string | null
  readonly scope: string | null
  readonly deactivated: number
  readonly locked: number
}

export async function sessionByRefreshToken(db: Database, hash: Uint8Array): Promise<RefreshableRow | undefined> {
  const rows = await db.read<RefreshableRow>(sql`SELECT s.session, s.user_id, s.device_id, s.family, s.refreshed_by,
      n.used AS successor_used, s.client_id, s.scope, u.deactivated, u.locked
    FROM sessions s JOIN users u ON u.user_id = s.user_id LEFT JOIN sessions n ON n.session = s.refreshed_by
    WHERE s.refresh_hash = ${hash}`)
  return rows[0]
}

/** The device that an OAuth 2.0 client has a token for, of either kind. */
export async function deviceOfGrant(
  db: Database,
  hash: Uint8Array,
): Promise<{ readonly user_id: UserId; readonly device_id: string } | undefined> {
  const rows = await db.read<{ user_id: UserId; device_id: string }>(sql`SELECT user_id, device_id FROM sessions
    WHERE token_hash = ${hash} AND client_id IS NOT NULL
    UNION ALL SELECT user_id, device_id FROM sessions WHERE refresh_hash = ${hash} AND client_id IS NOT NULL`)
  return rows[0]
}

/** Holds while the session is replaced by nobody else, and what replaced it before is still unused. */
export function sessionIsAsSeen(seen: RefreshableRow): Guard {
  const query = sql`SELECT s.refreshed_by, n.used AS successor_used
    FROM sessions s LEFT JOIN sessions n ON n.session = s.refreshed_by WHERE s.session = ${seen.session}`
  const { refreshed_by, successor_used } = seen
  return { about: `session:${seen.session}`, query, expect: [{ refreshed_by, successor_used }] }
}

/** Puts `next` in the place of `old`, whose refresh token still counts until `next` is used. */
export function replaceSession(old: RefreshableRow, next: NewSession, forgetBeforeMs: number): Sql[] {
  const device = sql`user_id = ${old.user_id} AND device_id = ${old.device_id}`
  return [
    ...markSessionUsed(old, next.nowMs),
    sql`DELETE FROM sessions WHERE session = ${old.refreshed_by ?? -1}`,
    sql`DELETE FROM sessions WHERE ${device} AND refreshed_by IS NOT NULL AND created_ts < ${forgetBeforeMs}`,
    insertSession(next),
    sql`UPDATE sessions SET refreshed_by = ${next.session} WHERE session = ${old.session}`,
    sql`UPDATE pushers SET session = ${next.session} WHERE user_id = ${old.user_id} AND session = ${old.session}`,
  ]
}

/** The first use of a session's tokens ends the access token of the session that it replaced. */
export function markSessionUsed(
  { session, user_id: userId, device_id: deviceId }: Pick<SessionRow, 'session' | 'device_id'> & { user_id: string },
  nowMs: number,
): Sql[] {
  return [
    sql`UPDATE sessions SET used = 1 WHERE session = ${session}`,
    sql`UPDATE sessions SET expires_ts = ${nowMs} WHERE user_id = ${userId} AND device_id = ${deviceId}
      AND refreshed_by = ${session} AND expires_ts > ${nowMs}`,
  ]
}

export interface Family {
  readonly user_id: string
  readonly device_id: string
  readonly family: string
}

/** Ends all tokens of a family; they count as expired, so that the device may log in anew and keep its keys. */
export function expireFamily({ user_id: userId, device_id: deviceId, family }: Family, nowMs: number): Sql {
  return sql`UPDATE sessions SET expires_ts = ${nowMs}, refresh_hash = NULL
    WHERE user_id = ${userId} AND device_id = ${deviceId} AND family = ${family}`
}
