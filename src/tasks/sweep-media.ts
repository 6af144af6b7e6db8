import type { TaskKind } from './run.ts'

const EVERY_MS = 3_600_000
const FIRST_AFTER_MS = 30 * 60_000

/** Clears away what crashes have left of uploads. */
export const sweepMediaTask: TaskKind = {
  kind: 'sweep_media',
  firstAfterMs: FIRST_AFTER_MS,
  async run(app) {
    await app.blobs.sweep()
    return { afterMs: EVERY_MS }
  },
}
