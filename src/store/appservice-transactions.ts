import type { Database } from '../db/database.ts'
import { intList, type Sql, sql, textList } from '../db/sql.ts'
import { dropCursor, moveCursor } from './cursors.ts'

/** What an application service is being told; see Application Service API, "Pushing events". */
export interface TransactionRow {
  readonly txn_id: string
  /** JSON, as it is sent. */
  readonly body: string
  /** The messages to devices in it, by their positions, as the JSON text of an array. */
  readonly messages: string
  /** Where in the log the application service is once it has taken it. */
  readonly position: number
  readonly failures: number
  /** Milliseconds since 1970. */
  readonly retry_at: number | null
}

/** What the names of their cursors begin with. */
export const APPSERVICE_CURSORS = 'appservice:'

export const appserviceCursor = (id: string): string => `${APPSERVICE_CURSORS}${id}`

export async function transactionUnderWay(db: Database, appserviceId: string): Promise<TransactionRow | undefined> {
  const rows = await db.read<TransactionRow>(sql`SELECT txn_id, body, messages, position, failures, retry_at
    FROM appservice_transactions WHERE appservice_id = ${appserviceId}`)
  return rows[0]
}

export function beginTransaction(appserviceId: string, row: TransactionRow): Sql {
  return sql`INSERT INTO appservice_transactions (appservice_id, txn_id, body, messages, position, failures, retry_at)
    VALUES (${appserviceId}, ${row.txn_id}, ${row.body}, ${row.messages}, ${row.position}, 0, NULL)
    ON CONFLICT (appservice_id) DO UPDATE SET txn_id = excluded.txn_id, body = excluded.body,
      messages = excluded.messages, position = excluded.position, failures = 0, retry_at = NULL, reason = NULL,
      failing_since = NULL`
}

export interface Postponed {
  readonly failures: number
  readonly retryAt: number
  readonly nowMs: number
  /** Why it was not taken. */
  readonly reason: string
}

export function postponeTransaction(appserviceId: string, { failures, retryAt, nowMs, reason }: Postponed): Sql {
  return sql`UPDATE appservice_transactions SET failures = ${failures}, retry_at = ${retryAt}, reason = ${reason},
    failing_since = COALESCE(failing_since, ${nowMs}) WHERE appservice_id = ${appserviceId}`
}

/** How far an application service was told, for people. */
export interface AppserviceState {
  readonly id: string
  readonly position: number
  /** All of these null: it takes what it is told. */
  readonly failures: number | null
  readonly failing_since: number | null
  readonly reason: string | null
}

export async function appserviceStates(db: Database): Promise<AppserviceState[]> {
  const rows = await db.read<AppserviceState & { readonly name: string }>(sql`SELECT c.name, c.position, t.failures,
      t.failing_since, t.reason
    FROM cursors c LEFT JOIN appservice_transactions t
      ON t.failures > 0 AND c.name = ${APPSERVICE_CURSORS} || t.appservice_id
    WHERE c.name LIKE ${`${APPSERVICE_CURSORS}%`}`)
  return rows.map(({ name, ...state }) => ({ ...state, id: name.slice(APPSERVICE_CURSORS.length) }))
}

/** The application service has taken it: it is told on from there, and its messages to devices have arrived. */
export function endTransaction(appserviceId: string, { position, messages }: TransactionRow): Sql[] {
  return [
    moveCursor(appserviceCursor(appserviceId), position),
    sql`DELETE FROM to_device WHERE position IN ${intList(JSON.parse(messages) as number[])}`,
    sql`DELETE FROM appservice_transactions WHERE appservice_id = ${appserviceId}`,
  ]
}

/** Forgets those that are registered no more. */
export async function forgetAllBut(db: Database, appserviceIds: readonly string[]): Promise<Sql[]> {
  const rows = await db.read<{ name: string }>(
    sql`SELECT name FROM cursors WHERE name LIKE ${`${APPSERVICE_CURSORS}%`}`,
  )
  const gone = rows.map(({ name }) => name.slice(APPSERVICE_CURSORS.length)).filter((id) => !appserviceIds.includes(id))
  if (gone.length === 0) return []
  const transactions = sql`DELETE FROM appservice_transactions WHERE appservice_id IN ${textList(gone)}`
  return [...gone.map((id) => dropCursor(appserviceCursor(id))), transactions]
}
