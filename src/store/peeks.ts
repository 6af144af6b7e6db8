import type { Database } from '../db/database.ts'
import { logPosition, type Sql, sql } from '../db/sql.ts'
import type { DeviceName } from './device-keys.ts'

/** A peek that begins with the first log row of the batch, if the room is open to everybody when it is written. */
export function startPeek({ userId, deviceId }: DeviceName, room: number): Sql {
  return sql`INSERT INTO peeks (user_id, device_id, room, position)
    SELECT ${userId}, ${deviceId}, room, ${logPosition(0)} FROM rooms
      WHERE room = ${room} AND history_visibility = 'world_readable'
    ON CONFLICT (user_id, device_id, room) DO UPDATE SET position = excluded.position`
}

export function endPeek({ userId, deviceId }: DeviceName, room: number): Sql {
  return sql`DELETE FROM peeks WHERE user_id = ${userId} AND device_id = ${deviceId} AND room = ${room}`
}

export function endPeeksInto(room: number): Sql {
  return sql`DELETE FROM peeks WHERE room = ${room}`
}

/** The rooms that the device looks into. */
export async function peekedRooms(db: Database, { userId, deviceId }: DeviceName): Promise<number[]> {
  const rows = await db.read<{ room: number }>(
    sql`SELECT room FROM peeks WHERE user_id = ${userId} AND device_id = ${deviceId}`,
  )
  return rows.map((row) => row.room)
}
