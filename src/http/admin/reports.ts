import { Type } from '@sinclair/typebox'
import { dropReport } from '../../actions/rooms/report.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { countReports, type ReportRow, reportByNumber, reportsBefore } from '../../store/reports.ts'
import { limitOf } from '../../views/relations.ts'
import { adminEndpoint } from './administrator.ts'

const EVENTS = '/_synapse/admin/v1/event_reports'
const DEFAULT_LIMIT = 100
const MAX_LIMIT = 500

const Page = {
  from: Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  limit: Type.Optional(Type.Integer()),
}
const Params = Type.Object({ reportId: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }) })

/** What users reported of events, as the administration API of Synapse has it; the newest first. */
export const listEventReports = adminEndpoint({
  method: 'GET',
  path: EVENTS,
  query: Type.Object(Page),
  async handle(app, { query }) {
    const limit = limitOf(query.limit, DEFAULT_LIMIT, MAX_LIMIT)
    const rows = await reportsBefore(app.db, startOf(query.from), 'event', limit)
    return { event_reports: rows.map(wire), total: await countReports(app.db, 'event'), ...next(rows, limit) }
  },
})

export const getEventReport = adminEndpoint({
  method: 'GET',
  path: `${EVENTS}/{reportId}`,
  params: Params,
  async handle(app, { params }) {
    const row = await reportByNumber(app.db, params.reportId)
    if (row?.kind !== 'event') throw new MatrixError('M_NOT_FOUND', 'There is no such report.')
    return wire(row)
  },
})

export const deleteEventReport = adminEndpoint({
  method: 'DELETE',
  path: `${EVENTS}/{reportId}`,
  params: Params,
  async handle(app, { params }) {
    await dropReport(app, params.reportId)
    return {}
  },
})

/** Ours: reports of events, rooms and users alike. */
export const listReports = adminEndpoint({
  method: 'GET',
  path: '/_dendrite/admin/reports',
  query: Type.Object({
    ...Page,
    kind: Type.Optional(Type.Union([Type.Literal('event'), Type.Literal('room'), Type.Literal('user')])),
  }),
  async handle(app, { query }) {
    const limit = limitOf(query.limit, DEFAULT_LIMIT, MAX_LIMIT)
    const rows = await reportsBefore(app.db, startOf(query.from), query.kind, limit)
    const reports = rows.map((row) => ({ kind: row.kind, reported_user_id: row.user_id, ...wire(row) }))
    return { reports, total: await countReports(app.db, query.kind), ...next(rows, limit) }
  },
})

/** A report that was dealt with, of whatever kind. */
export const deleteReport = adminEndpoint({
  method: 'DELETE',
  path: '/_dendrite/admin/reports/{reportId}',
  params: Params,
  async handle(app, { params }) {
    await dropReport(app, params.reportId)
    return {}
  },
})

/** The next page begins below the last report of this one. */
function startOf(from: number | undefined): number {
  return from === undefined || from === 0 ? Number.MAX_SAFE_INTEGER : from
}

function next(rows: readonly ReportRow[], limit: number): { next_token?: number } {
  const last = rows.at(-1)
  return rows.length === limit && last !== undefined ? { next_token: last.report } : {}
}

function wire(row: ReportRow) {
  return {
    id: row.report,
    received_ts: row.created_ts,
    user_id: row.reporter,
    room_id: row.room_id,
    event_id: row.event_id,
    reason: row.reason,
  }
}
