import type { Database } from '../db/database.ts'
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

export interface ReportRow {
  readonly report: number
  readonly kind: Report['kind']
  readonly reporter: string
  readonly room_id: string | null
  readonly event_id: string | null
  readonly user_id: string | null
  readonly reason: string | null
  readonly created_ts: number
}

/** Reports with numbers below `before`, the newest first; of one kind, or all. */
export function reportsBefore(
  db: Database,
  before: number,
  kind: Report['kind'] | undefined,
  limit: number,
): Promise<ReportRow[]> {
  return db.read(sql`SELECT report, kind, reporter, room_id, event_id, user_id, reason, created_ts FROM reports
    WHERE report < ${before} AND (${kind ?? ''} = '' OR kind = ${kind ?? ''}) ORDER BY report DESC LIMIT ${limit}`)
}

export async function countReports(db: Database, kind: Report['kind'] | undefined): Promise<number> {
  const rows = await db.read<{ reports: number }>(sql`SELECT count(*) AS reports FROM reports
    WHERE ${kind ?? ''} = '' OR kind = ${kind ?? ''}`)
  return rows[0]?.reports ?? 0
}

export async function reportByNumber(db: Database, report: number): Promise<ReportRow | undefined> {
  const rows = await db.read<ReportRow>(sql`SELECT report, kind, reporter, room_id, event_id, user_id, reason,
    created_ts FROM reports WHERE report = ${report}`)
  return rows[0]
}

export function deleteReport(report: number): Sql {
  return sql`DELETE FROM reports WHERE report = ${report}`
}
