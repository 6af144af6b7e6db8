import { type Sql, sql } from '../db/sql.ts'

/** What a user told the administrators of. */
export interface Report {
  readonly kind: 'event' | 'room' | 'user'
  readonly reporter: string
  readonly roomId?: string | undefined
  readonly eventId?: string | undefined
  readonly userId?: string | undefined
  readonly reason: string | undefined
}

export function insertReport(number: number, report: Report, nowMs: number): Sql {
  return sql`INSERT INTO reports (report, kind, reporter, room_id, event_id, user_id, reason, created_ts)
    VALUES (${number}, ${report.kind}, ${report.reporter}, ${report.roomId ?? null}, ${report.eventId ?? null},
      ${report.userId ?? null}, ${report.reason ?? null}, ${nowMs})`
}
