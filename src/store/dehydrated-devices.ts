import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

export interface DehydratedDeviceRow {
  readonly device_id: string
  /** JSON text. */
  readonly device_data: string
}

/** The user's dehydrated device. One that was logged in to is none any more. */
export async function dehydratedDevice(db: Database, userId: string): Promise<DehydratedDeviceRow | undefined> {
  const rows = await db.read<DehydratedDeviceRow>(sql`SELECT h.device_id, h.device_data FROM dehydrated_devices h
    JOIN devices d ON d.user_id = h.user_id AND d.device_id = h.device_id AND d.dehydrated = 1
    WHERE h.user_id = ${userId}`)
  return rows[0]
}

/** Which device a new one replaces, and whether its id is that of a living one; with the guard that it is still so. */
export async function placeForDehydrated(
  db: Database,
  userId: string,
  deviceId: string,
): Promise<{ readonly replaced: readonly string[]; readonly taken: boolean; readonly guard: Guard }> {
  const query = sql`SELECT device_id, dehydrated FROM devices WHERE user_id = ${userId}
    AND (dehydrated = 1 OR device_id = ${deviceId}) ORDER BY device_id`
  const rows = await db.read<{ device_id: string; dehydrated: number }>(query)
  return {
    replaced: rows.filter((row) => row.dehydrated === 1).map((row) => row.device_id),
    taken: rows.some((row) => row.dehydrated === 0),
    guard: { about: `dehydrated:${userId}`, query, expect: rows },
  }
}

export interface NewDehydratedDevice {
  readonly userId: string
  readonly deviceId: string
  readonly displayName: string | null
  readonly deviceData: string
}

export function insertDehydrated(
  { userId, deviceId, displayName, deviceData }: NewDehydratedDevice,
  nowMs: number,
): Sql[] {
  return [
    sql`INSERT INTO devices (user_id, device_id, display_name, created_ts, dehydrated)
      VALUES (${userId}, ${deviceId}, ${displayName}, ${nowMs}, 1)`,
    sql`INSERT INTO dehydrated_devices (user_id, device_id, device_data)
      VALUES (${userId}, ${deviceId}, ${deviceData})
      ON CONFLICT (user_id) DO UPDATE SET device_id = excluded.device_id, device_data = excluded.device_data`,
  ]
}
