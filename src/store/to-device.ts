import type { Database } from '../db/database.ts'
import { type LogPosition, type Sql, sql } from '../db/sql.ts'

/** A message from device to device, outside of rooms. `content` is its JSON text. */
export interface ToDeviceMessage {
  readonly userId: string
  readonly deviceId: string
  readonly sender: string
  readonly type: string
  readonly content: string
}

export function insertToDevice(message: ToDeviceMessage, position: LogPosition): Sql {
  return sql`INSERT INTO to_device (position, user_id, device_id, sender, type, content)
    VALUES (${position}, ${message.userId}, ${message.deviceId}, ${message.sender}, ${message.type},
      ${message.content})`
}

export interface ToDeviceRow {
  readonly position: number
  readonly sender: string
  readonly type: string
  readonly content: string
}

/** Messages for the device with positions in (after, to], in their order. */
export function waitingToDevice(
  db: Database,
  device: { readonly userId: string; readonly deviceId: string },
  after: number,
  to: number,
  limit: number,
): Promise<ToDeviceRow[]> {
  return db.read(sql`SELECT position, sender, type, content FROM to_device WHERE user_id = ${device.userId}
    AND device_id = ${device.deviceId} AND position > ${after} AND position <= ${to}
    ORDER BY position LIMIT ${limit}`)
}

export function deleteToDevice(device: { readonly userId: string; readonly deviceId: string }, upTo: number): Sql {
  return sql`DELETE FROM to_device WHERE user_id = ${device.userId} AND device_id = ${device.deviceId}
    AND position <= ${upTo}`
}

/** Devices for which more messages wait than `limit`. */
export function crowdedDevices(db: Database, limit: number): Promise<{ user_id: string; device_id: string }[]> {
  return db.read(sql`SELECT user_id, device_id FROM to_device GROUP BY user_id, device_id
    HAVING COUNT(*) > ${limit}`)
}

/** Deletes the oldest messages for the device, all but the newest `kept`. */
export function deleteOldestToDevice(
  device: { readonly userId: string; readonly deviceId: string },
  kept: number,
): Sql {
  const own = sql`user_id = ${device.userId} AND device_id = ${device.deviceId}`
  return sql`DELETE FROM to_device WHERE ${own} AND position <= (
    SELECT position FROM to_device WHERE ${own} ORDER BY position DESC LIMIT 1 OFFSET ${kept})`
}
