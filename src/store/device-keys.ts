import type { Database, Guard } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'

/** Client-Server API, "Device keys": JSON texts, as the device or its server said them. */
export interface DeviceKeysRow {
  readonly user_id: string
  readonly device_id: string
  readonly keys: string
  /** Of a device of this server. */
  readonly display_name: string | null
}

/** Keys in one answer. */
const MAX_ROWS = 50_000

export function deviceKeysOf(db: Database, userIds: readonly string[]): Promise<DeviceKeysRow[]> {
  return db.read(sql`SELECT k.user_id, k.device_id, k.keys, d.display_name FROM device_keys k
    LEFT JOIN devices d ON d.user_id = k.user_id AND d.device_id = k.device_id
    WHERE k.user_id IN ${textList(userIds)} ORDER BY k.user_id, k.device_id LIMIT ${MAX_ROWS}`)
}

export async function keysOfDevice(db: Database, userId: string, deviceId: string): Promise<string | undefined> {
  const rows = await db.read<{ keys: string }>(
    sql`SELECT keys FROM device_keys WHERE user_id = ${userId} AND device_id = ${deviceId}`,
  )
  return rows[0]?.keys
}

/** Other keys have none of the signatures that others made of the earlier ones. */
export function storeDeviceKeys(userId: string, deviceId: string, keys: string, position: LogPosition): Sql[] {
  return [
    sql`INSERT INTO device_keys (user_id, device_id, keys, position)
      VALUES (${userId}, ${deviceId}, ${keys}, ${position})
      ON CONFLICT (user_id, device_id) DO UPDATE SET keys = excluded.keys, position = excluded.position`,
    sql`DELETE FROM key_signatures WHERE target_user = ${userId} AND target_key = ${deviceId}`,
  ]
}

export function deleteDeviceKeys(userId: string, deviceId: string): Sql {
  return sql`DELETE FROM device_keys WHERE user_id = ${userId} AND device_id = ${deviceId}`
}

export function deleteAllDeviceKeys(userId: string): Sql {
  return sql`DELETE FROM device_keys WHERE user_id = ${userId}`
}

export interface DeviceName {
  readonly userId: string
  readonly deviceId: string
}

/** Holds while the device is there: nothing is left behind for one that is logged out meanwhile. */
export function deviceIsThere({ userId, deviceId }: DeviceName): Guard {
  return {
    about: `device:${userId}:${deviceId}`,
    query: sql`SELECT device_id FROM devices WHERE user_id = ${userId} AND device_id = ${deviceId}`,
    expect: [{ device_id: deviceId }],
  }
}
