import type { UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import type { UserKind } from './users.ts'

export interface SessionRow {
  readonly session: number
  readonly user_id: UserId
  readonly device_id: string
  readonly expires_ts: number | null
  readonly kind: UserKind
  readonly deactivated: number
  readonly locked: number
}

/** The session behind an access token, with what decides whether its user may act. */
export async function sessionByToken(db: Database, tokenHash: Uint8Array): Promise<SessionRow | undefined> {
  const rows =
    await db.read<SessionRow>(sql`SELECT s.session, s.user_id, s.device_id, s.expires_ts, u.kind, u.deactivated,
      u.locked
    FROM sessions s JOIN users u ON u.user_id = s.user_id WHERE s.token_hash = ${tokenHash}`)
  return rows[0]
}

export interface NewSession {
  readonly session: number
  readonly userId: string
  readonly deviceId: string
  readonly tokenHash: Uint8Array
  readonly displayName: string | null
  readonly nowMs: number
}

/** A session and its device; a login to a known device ends the device's earlier sessions. */
export function insertSession(login: NewSession): Sql[] {
  return [
    sql`INSERT INTO devices (user_id, device_id, display_name, created_ts, last_seen_ts)
      VALUES (${login.userId}, ${login.deviceId}, ${login.displayName}, ${login.nowMs}, ${login.nowMs})
      ON CONFLICT (user_id, device_id) DO UPDATE SET last_seen_ts = excluded.last_seen_ts`,
    sql`DELETE FROM sessions WHERE user_id = ${login.userId} AND device_id = ${login.deviceId}`,
    sql`INSERT INTO sessions (session, user_id, device_id, token_hash, created_ts)
      VALUES (${login.session}, ${login.userId}, ${login.deviceId}, ${login.tokenHash}, ${login.nowMs})`,
  ]
}

/** Ends the sessions of all devices but one, and forgets the devices. */
export function deleteOtherDevices(userId: string, keptDeviceId: string): Sql[] {
  return [
    sql`DELETE FROM sessions WHERE user_id = ${userId} AND device_id <> ${keptDeviceId}`,
    sql`DELETE FROM devices WHERE user_id = ${userId} AND device_id <> ${keptDeviceId}`,
    sql`DELETE FROM to_device WHERE user_id = ${userId} AND device_id <> ${keptDeviceId}`,
  ]
}

/** Ends the session of one device, or with null those of all devices, and forgets the devices. */
export function deleteDevices(userId: string, deviceId: string | null): Sql[] {
  if (deviceId === null) {
    return [
      sql`DELETE FROM sessions WHERE user_id = ${userId}`,
      sql`DELETE FROM devices WHERE user_id = ${userId}`,
      sql`DELETE FROM to_device WHERE user_id = ${userId}`,
    ]
  }
  return [
    sql`DELETE FROM sessions WHERE user_id = ${userId} AND device_id = ${deviceId}`,
    sql`DELETE FROM devices WHERE user_id = ${userId} AND device_id = ${deviceId}`,
    sql`DELETE FROM to_device WHERE user_id = ${userId} AND device_id = ${deviceId}`,
  ]
}
