import type { UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { intList, sql } from '../db/sql.ts'
import type { StoredLogRow } from './log.ts'
import type { ReceiptRow } from './receipts.ts'
import { serverOf } from './server-of.ts'
import type { ToDeviceRow } from './to-device.ts'

/** Users of the server who were in the room just before the position. */
export async function localMembersBefore(
  db: Database,
  room: number,
  serverName: string,
  position: number,
): Promise<UserId[]> {
  const rows = await db.read<{ user_id: UserId }>(sql`SELECT m.user_id FROM membership_history m
    WHERE m.room = ${room} AND m.position < ${position} AND m.membership = 'join'
      AND ${serverOf('m.user_id')} = ${serverName} AND NOT EXISTS (SELECT 1 FROM membership_history later
        WHERE later.room = m.room AND later.user_id = m.user_id
          AND later.position > m.position AND later.position < ${position})`)
  return rows.map((row) => row.user_id)
}

/**
 * The newest event of each room with positions in (since, to], oldest first, as rows of the log, and found without it:
 * it is pruned. Every room is looked at.
 */
export function newestOfEachRoom(db: Database, since: number, to: number, limit: number): Promise<StoredLogRow[]> {
  return db.read(sql`SELECT e.position, 'event' AS kind, e.room, NULL AS device_id, e.event_id AS subject,
      CASE WHEN e.type = 'm.room.member' THEN e.state_key END AS user_id
    FROM rooms r JOIN events e ON e.room = r.room
    WHERE e.position = (SELECT n.position FROM events n
      WHERE n.room = r.room AND n.position > ${since} AND n.position <= ${to}
        AND n.soft_failed = 0 AND n.rejected = 0 ORDER BY n.position DESC LIMIT 1)
    ORDER BY e.position LIMIT ${limit}`)
}

export interface NamedRoom {
  readonly room: number
  readonly room_id: string
  readonly version: string | null
  /** One row for each alias; null: the room has none of this server. */
  readonly alias: string | null
}

export function roomNames(db: Database, rooms: readonly number[]): Promise<NamedRoom[]> {
  return db.read(sql`SELECT r.room, r.room_id, r.version, a.alias FROM rooms r LEFT JOIN aliases a ON a.room = r.room
    WHERE r.room IN ${intList(rooms)}`)
}

/** Receipts of the rooms, as far as they stand at positions in (since, to]. */
export function receiptsBetween(
  db: Database,
  rooms: readonly number[],
  since: number,
  to: number,
): Promise<ReceiptRow[]> {
  return db.read(sql`SELECT room, user_id, receipt_type, thread, event_id, data, position FROM receipts
    WHERE room IN ${intList(rooms)} AND position > ${since} AND position <= ${to} ORDER BY position DESC`)
}

export type AddressedMessage = ToDeviceRow & { readonly user_id: string; readonly device_id: string }

/** Messages to devices by their positions, in their order. */
export function messagesAt(db: Database, positions: readonly number[]): Promise<AddressedMessage[]> {
  return db.read(sql`SELECT position, user_id, device_id, sender, type, content FROM to_device
    WHERE position IN ${intList(positions)} ORDER BY position`)
}
