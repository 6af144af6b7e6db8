import { purgeHistory } from '../actions/rooms/purge-history.ts'
import type { JsonObject } from '../core/json.ts'
import { type HistoryPurge, historyPurgeOf, PURGE_HISTORY } from '../store/history-purges.ts'
import type { TaskKind } from './run.ts'

/** Between two batches, so that others come to their turn. */
const BREATH_MS = 20
/** Batches of one step: a process that dies amid it leaves so many to be looked at once more. */
const BATCHES = 50
/** So long an administrator may ask whether it is done. */
const KEPT_MS = 24 * 3_600_000

/** Takes the messages of a room before an event, and then remembers for a day that it is done. */
export const purgeHistoryTask: TaskKind = {
  kind: PURGE_HISTORY,
  async run(app, { payload, signal }) {
    let purge = historyPurgeOf(payload)
    if (purge.done) return undefined
    for (let batch = 0; batch < BATCHES && !signal.aborted; batch++) {
      const after = await purgeHistory(app, purge)
      if (after === undefined) return { afterMs: KEPT_MS, payload: payloadOf({ ...purge, done: true }) }
      purge = { ...purge, after }
      await app.timers.sleep(BREATH_MS)
    }
    return { afterMs: BREATH_MS, payload: payloadOf(purge) }
  },
}

function payloadOf(purge: HistoryPurge): JsonObject {
  return purge as unknown as JsonObject
}
