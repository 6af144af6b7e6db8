import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import { holding } from './admin-users.ts'

/** What a user of this server has uploaded. The name is a JSON text. */
export interface MediaUse {
  readonly user_id: string
  readonly displayname: string | null
  readonly media_count: number
  readonly media_length: number
}

export interface MediaUseSearch {
  /** Part of the user id or the display name. */
  readonly text: string
  /** Milliseconds since 1970, both included. */
  readonly fromMs: number
  readonly untilMs: number
  readonly order: string
  readonly backwards: boolean
  readonly from: number
  readonly limit: number
}

/** What users are sorted by; all others by their ids. */
const ORDERS: ReadonlyMap<string, Sql> = new Map([
  ['displayname', sql`COALESCE(displayname, '')`],
  ['media_length', sql`media_length`],
  ['media_count', sql`media_count`],
])

export function listMediaUse(db: Database, search: MediaUseSearch): Promise<MediaUse[]> {
  const direction = search.backwards ? sql`DESC` : sql`ASC`
  const order = ORDERS.get(search.order) ?? sql`user_id`
  return db.read(sql`SELECT user_id, displayname, media_count, media_length FROM (${use(search)}) AS uploaders
    ORDER BY ${order} ${direction}, user_id ${direction} LIMIT ${search.limit} OFFSET ${search.from}`)
}

export async function countMediaUsers(db: Database, search: MediaUseSearch): Promise<number> {
  const rows = await db.read<{ users: number }>(sql`SELECT COUNT(*) AS users FROM (${use(search)}) AS uploaders`)
  return rows[0]?.users ?? 0
}

function use({ text, fromMs, untilMs }: MediaUseSearch): Sql {
  return sql`SELECT m.uploader AS user_id, d.value AS displayname, COUNT(*) AS media_count,
      CAST(SUM(m.bytes) AS BIGINT) AS media_length
    FROM media m LEFT JOIN profiles d ON d.user_id = m.uploader AND d.key = 'displayname'
    WHERE m.uploader IS NOT NULL AND m.uploaded_ts IS NOT NULL AND m.created_ts >= ${fromMs}
      AND m.created_ts <= ${untilMs}
      AND (lower(m.uploader) LIKE ${holding(text)} ESCAPE '!' OR lower(d.value) LIKE ${holding(text)} ESCAPE '!')
    GROUP BY m.uploader, d.value`
}
