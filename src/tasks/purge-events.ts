import { enlistForPurge, purgeAfresh, purgeOldEvents } from '../actions/rooms/purge-events.ts'
import type { TaskKind } from './run.ts'

const FIRST_AFTER_MS = 60_000
/** Between two batches, so that others come to their turn. */
const BREATH_MS = 20
/** Batches of one step. */
const BATCHES = 50
/** So soon it is noticed that it was switched on. */
const OFF_MS = 3_600_000
const INTERVAL_MIN_MS = 1_000

/** Takes the messages that rooms keep no longer (MSC1763), each `room_server.retention.purge_interval`. */
export const purgeEventsTask: TaskKind = {
  kind: 'purge_events',
  firstAfterMs: FIRST_AFTER_MS,
  async run(app, { payload, signal }) {
    const { retention } = app.config.room_server
    if (!retention.enabled) return { afterMs: OFF_MS, payload: {} }
    const rules = JSON.stringify(retention)
    const interval = Math.max(retention.purge_interval, INTERVAL_MIN_MS)
    if (payload.rules !== rules) await purgeAfresh(app)
    await enlistForPurge(app)
    for (let batch = 0; batch < BATCHES && !signal.aborted; batch++) {
      if (!(await purgeOldEvents(app))) return { afterMs: interval, payload: { rules } }
      await app.timers.sleep(BREATH_MS)
    }
    return { afterMs: BREATH_MS, payload: { rules } }
  },
}
