import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** An event whose time has come, with what redaction has to know of it. */
export interface ExpiringRow {
  readonly event: number
  readonly version: string | null
  readonly content: string
  readonly envelope: string
}

/** The kind of task that takes the content of events whose time has come. */
export const EXPIRE_EVENTS = 'expire_events'

/** The event's content goes at that time, in milliseconds since 1970. */
export function insertExpiry(event: number, expiresTs: number): Sql {
  return sql`INSERT INTO event_expiry (event, expires_ts) VALUES (${event}, ${expiresTs})
    ON CONFLICT (event) DO NOTHING`
}

/** Those whose time has come, the earliest first. */
export function expiringEvents(db: Database, nowMs: number, limit: number): Promise<ExpiringRow[]> {
  return db.read(sql`SELECT e.event, r.version, e.content, e.envelope
    FROM event_expiry x JOIN events e ON e.event = x.event JOIN rooms r ON r.room = e.room
    WHERE x.expires_ts <= ${nowMs} ORDER BY x.expires_ts LIMIT ${limit}`)
}

/** When the time of the next one comes; undefined: there is none. */
export async function nextExpiry(db: Database): Promise<number | undefined> {
  const rows = await db.read<{ expires_ts: number }>(
    sql`SELECT expires_ts FROM event_expiry ORDER BY expires_ts LIMIT 1`,
  )
  return rows[0]?.expires_ts
}
