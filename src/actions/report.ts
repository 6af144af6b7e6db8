import type { App } from '../app.ts'
import { insertReport, type Report } from '../store/reports.ts'
import { write } from './write.ts'

/** Keeps what a user reports for the administrators, who also read of it in the log. */
export async function report(app: App, told: Report): Promise<void> {
  const number = await app.db.nextId('report')
  await write(app, { guards: [], writes: [insertReport(number, told, app.clock.now())], log: [] })
  const { kind, reporter, roomId: room, eventId: event, userId: user } = told
  app.log.warn({ report: number, kind, reporter, room, event, user }, 'something was reported')
}
