import type { EventId } from '../core/ids.ts'
import type { Database, Guard } from '../db/database.ts'
import { rowsOf, type Sql, sql, textList } from '../db/sql.ts'
import { ROOM_COLUMNS, type RoomRow } from './rooms.ts'

/**
 * A client's own name for a request: the same again is the same request (Client-Server API, Transaction identifiers).
 */
export interface ClientTransaction {
  readonly userId: string
  readonly deviceId: string
  readonly endpoint: string
  readonly roomId: string
  readonly txnId: string
}

/**
 * The room as `roomById` has it, and the event that the transaction has sent there, in one query: each message asks
 * both.
 */
export async function roomAndSent(
  db: Database,
  t: ClientTransaction,
): Promise<{ readonly room: RoomRow | undefined; readonly sent: EventId | undefined }> {
  const rows = await db.read<RoomRow & { sent: EventId | null }>(sql`SELECT ${ROOM_COLUMNS}, (${find(t)}) AS sent
    FROM rooms WHERE room_id = ${t.roomId}`)
  return { room: rows[0], sent: rows[0]?.sent ?? undefined }
}

export async function eventOfTransaction(db: Database, t: ClientTransaction): Promise<string | undefined> {
  const rows = await db.read<{ event_id: string }>(find(t))
  return rows[0]?.event_id
}

/** Whether the request was made before; it need not have made an event. */
export async function transactionKnown(db: Database, t: ClientTransaction): Promise<boolean> {
  return (await db.read(find(t))).length > 0
}

export function transactionIsNew(t: ClientTransaction): Guard {
  return { about: transactionName(t), query: find(t), expect: [], keyed: true }
}

export function transactionName(t: ClientTransaction): string {
  return JSON.stringify(['txn', t.userId, t.deviceId, t.endpoint, t.roomId, t.txnId])
}

export function insertTransaction(t: ClientTransaction, eventId: string | null, nowMs: number): Sql {
  return rowsOf(
    TRANSACTIONS,
    sql`INSERT INTO transactions (user_id, device_id, endpoint, room_id, txn_id, event_id, created_ts)
    VALUES (${t.userId}, ${t.deviceId}, ${t.endpoint}, ${t.roomId}, ${t.txnId}, ${eventId}, ${nowMs})`,
  )
}

const TRANSACTIONS = {
  name: 'transactions',
  columns: {
    user_id: 'text',
    device_id: 'text',
    endpoint: 'text',
    room_id: 'text',
    txn_id: 'text',
    event_id: 'text',
    created_ts: 'bigint',
  },
} as const

/** Which of these events the device sent, and under which transaction id. */
export function transactionsOfEvents(
  db: Database,
  userId: string,
  deviceId: string,
  eventIds: readonly string[],
): Promise<{ event_id: string; txn_id: string }[]> {
  return db.read(sql`SELECT event_id, txn_id FROM transactions WHERE event_id IN ${textList(eventIds)}
    AND user_id = ${userId} AND device_id = ${deviceId}`)
}

function find(t: ClientTransaction): Sql {
  return sql`SELECT event_id FROM transactions WHERE user_id = ${t.userId} AND device_id = ${t.deviceId}
    AND endpoint = ${t.endpoint} AND room_id = ${t.roomId} AND txn_id = ${t.txnId}`
}
