import type { Database, Guard } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'

export interface AccountDataRow {
  readonly type: string
  readonly content: string
}

/** Most rows of account data in one answer. */
const MAX_ROWS = 10_000

/** Types that a sync needs whether they changed or not. */
const SETTINGS = ['m.push_rules', 'm.ignored_user_list', 'm.invite_permission_config']

/** The user's global account data that changed after `since`, and the settings of every sync. */
export function globalAccountDataSince(
  db: Database,
  userId: string,
  since: number,
): Promise<(AccountDataRow & { position: number })[]> {
  return db.read(sql`SELECT type, content, position FROM account_data WHERE user_id = ${userId} AND room_id = ''
    AND (position > ${since} OR type IN ${textList(SETTINGS)}) ORDER BY position LIMIT ${MAX_ROWS}`)
}

export function roomAccountDataSince(
  db: Database,
  userId: string,
  since: number,
): Promise<(AccountDataRow & { room_id: string; position: number })[]> {
  return db.read(sql`SELECT room_id, type, content, position FROM account_data
    WHERE user_id = ${userId} AND room_id <> '' AND position > ${since} ORDER BY position LIMIT ${MAX_ROWS}`)
}

/** All of it; the empty room id stands for global account data. */
export function allAccountData(db: Database, userId: string): Promise<(AccountDataRow & { room_id: string })[]> {
  return db.read(sql`SELECT room_id, type, content FROM account_data WHERE user_id = ${userId}
    ORDER BY room_id, type LIMIT ${MAX_ROWS}`)
}

/** One piece, and the guard that it is still the same; the empty room id stands for global account data. */
export async function accountData(
  db: Database,
  userId: string,
  roomId: string,
  type: string,
): Promise<{ readonly content: string | undefined; readonly guard: Guard }> {
  const query = sql`SELECT content FROM account_data
    WHERE user_id = ${userId} AND room_id = ${roomId} AND type = ${type}`
  const rows = await db.read<{ content: string }>(query)
  const guard = { about: JSON.stringify(['account_data', userId, roomId, type]), query, expect: rows }
  return { content: rows[0]?.content, guard }
}

export function setAccountData(
  userId: string,
  roomId: string,
  type: string,
  content: string,
  position: LogPosition,
): Sql {
  return sql`INSERT INTO account_data (user_id, room_id, type, content, position)
    VALUES (${userId}, ${roomId}, ${type}, ${content}, ${position})
    ON CONFLICT (user_id, room_id, type) DO UPDATE SET content = excluded.content, position = excluded.position`
}
