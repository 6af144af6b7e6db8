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
