import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** A device that waits. `code_hash` is the hash of what it was given; `user_code` is what it shows. */
export interface DeviceCodeRow {
  readonly code_hash: Uint8Array
  readonly user_code: string
  readonly client_id: string
  readonly device_id: string
  readonly scope: string
  /** null: the user has not answered. */
  readonly answer: 'allow' | 'deny' | null
  /** When the device asked last. */
  readonly polled_ts: number
  readonly expires_ts: number
}

const COLUMNS = sql`code_hash, user_code, client_id, device_id, scope, answer, polled_ts, expires_ts`

/** Of more than `limit` that wait the oldest are forgotten: anybody may come. */
export function insertDeviceCode(row: Omit<DeviceCodeRow, 'answer'>, limit: number): Sql[] {
  return [
    sql`INSERT INTO oauth_device_codes (code_hash, user_code, client_id, device_id, scope, polled_ts, expires_ts)
      VALUES (${row.code_hash}, ${row.user_code}, ${row.client_id}, ${row.device_id}, ${row.scope}, ${row.polled_ts},
        ${row.expires_ts})`,
    sql`DELETE FROM oauth_device_codes WHERE code_hash IN (
      SELECT code_hash FROM oauth_device_codes ORDER BY expires_ts DESC LIMIT 1000 OFFSET ${limit})`,
  ]
}

export async function deviceCode(db: Database, codeHash: Uint8Array): Promise<DeviceCodeRow | undefined> {
  const rows = await db.read<DeviceCodeRow>(sql`SELECT ${COLUMNS} FROM oauth_device_codes
    WHERE code_hash = ${codeHash}`)
  return rows[0]
}

export async function deviceCodeShown(db: Database, userCode: string): Promise<DeviceCodeRow | undefined> {
  const rows = await db.read<DeviceCodeRow>(sql`SELECT ${COLUMNS} FROM oauth_device_codes
    WHERE user_code = ${userCode}`)
  return rows[0]
}

/** Holds while the user has not answered. */
export function deviceWaits(userCode: string): Guard {
  const query = sql`SELECT answer FROM oauth_device_codes WHERE user_code = ${userCode}`
  return { about: `oauth-device:${userCode}`, query, expect: [{ answer: null }] }
}

export function answerDeviceCode(userCode: string, answer: 'allow' | 'deny'): Sql {
  return sql`UPDATE oauth_device_codes SET answer = ${answer} WHERE user_code = ${userCode}`
}

export function notePoll(codeHash: Uint8Array, nowMs: number): Sql {
  return sql`UPDATE oauth_device_codes SET polled_ts = ${nowMs} WHERE code_hash = ${codeHash}`
}
