import { expireEvents } from '../actions/rooms/expire-events.ts'
import { EXPIRE_EVENTS } from '../store/expiry.ts'
import type { TaskKind } from './run.ts'

/** Between two batches, so that others come to their turn. */
const BREATH_MS = 50

/** Takes the content of events at the time that they name themselves (MSC2228). */
export const expireEventsTask: TaskKind = {
  kind: EXPIRE_EVENTS,
  async run(app) {
    const next = await expireEvents(app)
    return next === undefined ? undefined : { afterMs: Math.max(next - app.clock.now(), BREATH_MS) }
  },
}
