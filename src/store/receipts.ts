import type { Database } from '../db/database.ts'
import { intList, type LogPosition, type Sql, sql } from '../db/sql.ts'

/** How far a user has read. `thread`: '' for the whole room, `main`, or the root of a thread. */
export interface Receipt {
  readonly room: number
  readonly userId: string
  readonly type: string
  readonly thread: string
  readonly eventId: string
  readonly event: number
  /** Its content as JSON text. */
  readonly data: string
}

export interface ReceiptRow {
  readonly room: number
  readonly user_id: string
  readonly receipt_type: string
  readonly thread: string
  readonly event_id: string
  readonly data: string
  /** Of the receipt, not of the event. */
  readonly position: number
}

/** Most receipts in one answer: the newest win. */
const MAX_ROWS = 20_000

/** A receipt never goes back: one for an earlier event than the stored one changes nothing. */
export function setReceipt(receipt: Receipt, position: LogPosition): Sql {
  return sql`INSERT INTO receipts (room, user_id, receipt_type, thread, event_id, event, data, position)
    VALUES (${receipt.room}, ${receipt.userId}, ${receipt.type}, ${receipt.thread}, ${receipt.eventId},
      ${receipt.event}, ${receipt.data}, ${position})
    ON CONFLICT (room, user_id, receipt_type, thread) DO UPDATE SET event_id = excluded.event_id,
      event = excluded.event, data = excluded.data, position = excluded.position
    WHERE receipts.event IS NULL OR COALESCE((SELECT topo FROM events e WHERE e.event = receipts.event), 0)
      <= (SELECT topo FROM events e WHERE e.event = excluded.event)`
}

/** The event that the user's receipt stands at. */
export async function receiptOf(
  db: Database,
  at: Pick<Receipt, 'room' | 'userId' | 'type' | 'thread'>,
): Promise<{ topo: number; event: number } | undefined> {
  const rows = await db.read<{ topo: number; event: number }>(sql`SELECT e.topo, e.event
    FROM receipts r JOIN events e ON e.event = r.event WHERE r.room = ${at.room} AND r.user_id = ${at.userId}
      AND r.receipt_type = ${at.type} AND r.thread = ${at.thread}`)
  return rows[0]
}

/** Receipts of the rooms that changed after `since`, as the user may see them: others' private ones are left out. */
export function receiptsSince(
  db: Database,
  rooms: readonly number[],
  userId: string,
  since: number,
): Promise<ReceiptRow[]> {
  return db.read(sql`SELECT room, user_id, receipt_type, thread, event_id, data, position FROM receipts
    WHERE room IN ${intList(rooms)} AND position > ${since}
      AND (receipt_type = 'm.read' OR user_id = ${userId}) ORDER BY position DESC LIMIT ${MAX_ROWS}`)
}

/** A receipt with the position of its event: null when the event is not known here. */
export interface OwnReceipt {
  readonly room: number
  readonly thread: string
  readonly read_up_to: number | null
  readonly position: number
}

/** How far the user has read in the rooms: the positions of the events read, and those of the receipts. */
export function ownReceipts(db: Database, userId: string, rooms: readonly number[]): Promise<OwnReceipt[]> {
  return db.read(sql`SELECT r.room, r.thread, e.position AS read_up_to, r.position FROM receipts r
    LEFT JOIN events e ON e.event = r.event WHERE r.room IN ${intList(rooms)} AND r.user_id = ${userId}`)
}
