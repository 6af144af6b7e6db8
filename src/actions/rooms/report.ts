import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deleteReport, insertReport, type Report, reportByNumber } from '../../store/reports.ts'
import { write } from '../write.ts'

/** Keeps what a user reports for the administrators, who also read of it in the log. */
export async function report(app: App, told: Report): Promise<void> {
  const number = await app.db.nextId('report')
  await write(app, { guards: [], writes: [insertReport(number, told, app.clock.now())], log: [] })
  const { kind, reporter, roomId: room, eventId: event, userId: user } = told
  app.log.warn({ report: number, kind, reporter, room, event, user }, 'something was reported')
}

/** Drops a report that was dealt with. Errors: M_NOT_FOUND. */
export async function dropReport(app: App, number: number): Promise<void> {
  if ((await reportByNumber(app.db, number)) === undefined)
    throw new MatrixError('M_NOT_FOUND', 'There is no such report.')
  await write(app, { guards: [], writes: [deleteReport(number)], log: [] })
}
