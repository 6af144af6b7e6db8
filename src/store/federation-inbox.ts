import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** Our answer, as JSON text, to a transaction that was taken in before. */
export async function answerToTransaction(db: Database, origin: string, txnId: string): Promise<string | undefined> {
  const rows = await db.read<{ response: string | null }>(
    sql`SELECT response FROM received_transactions WHERE origin = ${origin} AND txn_id = ${txnId}`,
  )
  return rows[0]?.response ?? undefined
}

export function keepAnswer(origin: string, txnId: string, response: string, nowMs: number): Sql {
  return sql`INSERT INTO received_transactions (origin, txn_id, response, received_ts)
    VALUES (${origin}, ${txnId}, ${response}, ${nowMs})`
}

export function transactionIsNewOf(origin: string, txnId: string): Guard {
  return {
    about: `inbox:${origin}:${txnId}`,
    query: sql`SELECT txn_id FROM received_transactions WHERE origin = ${origin} AND txn_id = ${txnId}`,
    expect: [],
  }
}

export function keepMessageId(origin: string, messageId: string, nowMs: number): Sql {
  return sql`INSERT INTO received_messages (origin, message_id, received_ts)
    VALUES (${origin}, ${messageId}, ${nowMs})`
}

export function messageIsNew(origin: string, messageId: string): Guard {
  return {
    about: `message:${origin}:${messageId}`,
    query: sql`SELECT message_id FROM received_messages WHERE origin = ${origin} AND message_id = ${messageId}`,
    expect: [],
  }
}
