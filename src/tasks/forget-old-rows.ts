import { forgetOldRows } from '../actions/forget-old-rows.ts'
import type { TaskKind } from './run.ts'

const EVERY_MS = 3_600_000
const FIRST_AFTER_MS = 15 * 60_000

/** Forgets, hour by hour, what is kept for a while only. */
export const forgetOldRowsTask: TaskKind = {
  kind: 'forget_old_rows',
  firstAfterMs: FIRST_AFTER_MS,
  async run(app) {
    await forgetOldRows(app)
    return { afterMs: EVERY_MS }
  },
}
