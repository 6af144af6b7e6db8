import type { Database } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'
import { deleteLoginTokensOf } from './login-tokens.ts'
import { deleteCodesOf } from './oauth.ts'
import { deletePushersOfSessions } from './pushers.ts'

export interface DeviceRow {
  readonly device_id: string
  readonly display_name: string | null
  readonly last_seen_ip: string | null
  readonly last_seen_ts: number | null
  readonly last_seen_user_agent: string | null
}

const COLUMNS = sql`device_id, display_name, last_seen_ip, last_seen_ts, last_seen_user_agent`

/** Most devices of one user that are listed. */
const MAX_DEVICES = 1_000

export function devicesOf(db: Database, userId: string): Promise<DeviceRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM devices
    WHERE user_id = ${userId} ORDER BY device_id LIMIT ${MAX_DEVICES}`)
}

/** All devices of the users, up to `limit` of them. */
export function devicesOfUsers(
  db: Database,
  userIds: readonly string[],
  limit: number,
): Promise<{ user_id: string; device_id: string }[]> {
  return db.read(sql`SELECT user_id, device_id FROM devices WHERE user_id IN ${textList(userIds)}
    ORDER BY user_id, device_id LIMIT ${limit}`)
}

/** The ids of the user's devices. */
export async function deviceIdsOf(db: Database, userId: string): Promise<string[]> {
  return (await devicesOf(db, userId)).map((row) => row.device_id)
}

export async function deviceOf(db: Database, userId: string, deviceId: string): Promise<DeviceRow | undefined> {
  const rows = await db.read<DeviceRow>(sql`SELECT ${COLUMNS} FROM devices
    WHERE user_id = ${userId} AND device_id = ${deviceId}`)
  return rows[0]
}

/** Without a session. */
export function insertDevice(userId: string, deviceId: string, displayName: string | null, nowMs: number): Sql {
  return sql`INSERT INTO devices (user_id, device_id, display_name, created_ts)
    VALUES (${userId}, ${deviceId}, ${displayName}, ${nowMs}) ON CONFLICT (user_id, device_id) DO NOTHING`
}

export function updateDeviceName(userId: string, deviceId: string, displayName: string): Sql {
  return sql`UPDATE devices SET display_name = ${displayName} WHERE user_id = ${userId} AND device_id = ${deviceId}`
}

export interface DeviceSeen {
  readonly ip: string
  readonly userAgent: string | null
  readonly nowMs: number
}

export function updateDeviceSeen(userId: string, deviceId: string, { ip, userAgent, nowMs }: DeviceSeen): Sql {
  return sql`UPDATE devices SET last_seen_ts = ${nowMs}, last_seen_ip = ${ip}, last_seen_user_agent = ${userAgent}
    WHERE user_id = ${userId} AND device_id = ${deviceId}`
}

/** Ends the sessions of the named devices and forgets the devices, their keys and the messages that wait for them. */
export function forgetDevices(userId: string, deviceIds: readonly string[]): Sql[] {
  return forget(userId, sql`user_id = ${userId} AND device_id IN ${textList(deviceIds)}`)
}

/** The same for all devices of the user but one, and for those that would come by a login token or a code. */
export function forgetOtherDevices(userId: string, keptDeviceId: string): Sql[] {
  return [...forget(userId, sql`user_id = ${userId} AND device_id <> ${keptDeviceId}`), ...forgetArrivals(userId)]
}

export function forgetAllDevices(userId: string): Sql[] {
  return [...forget(userId, sql`user_id = ${userId}`), ...forgetArrivals(userId)]
}

function forgetArrivals(userId: string): Sql[] {
  return [deleteLoginTokensOf(userId), deleteCodesOf(userId)]
}

function forget(userId: string, which: Sql): Sql[] {
  return [
    sql`DELETE FROM key_signatures WHERE (target_user, target_key) IN (
      SELECT user_id, device_id FROM devices WHERE ${which})`,
    deletePushersOfSessions(userId, which),
    sql`DELETE FROM sessions WHERE ${which}`,
    sql`DELETE FROM devices WHERE ${which}`,
    sql`DELETE FROM dehydrated_devices WHERE ${which}`,
    sql`DELETE FROM device_keys WHERE ${which}`,
    sql`DELETE FROM one_time_keys WHERE ${which}`,
    sql`DELETE FROM fallback_keys WHERE ${which}`,
    sql`DELETE FROM to_device WHERE ${which}`,
    sql`DELETE FROM peeks WHERE ${which}`,
  ]
}
