import type { App } from '../app.ts'
import { deleteLogRows, oldestLogRow, slowestCursor } from '../store/log.ts'
import { write } from './write.ts'

/** Rows deleted by one batch: others wait for it. */
const ROWS_AT_ONCE = 5_000

/**
 * Deletes rows of the log up to the position, as far as no follower needs them, and never the newest `keptRows`.
 * Resolves with whether there is more to delete.
 */
export async function pruneLog(app: App, upTo: number, keptRows: number): Promise<boolean> {
  const oldest = await oldestLogRow(app.db)
  const needed = Math.min(upTo, app.db.safePosition() - keptRows, (await slowestCursor(app.db)) ?? upTo)
  if (oldest === undefined || oldest > needed) return false
  const last = Math.min(needed, oldest + ROWS_AT_ONCE - 1)
  await write(app, { guards: [], writes: [deleteLogRows(last)], log: [] })
  return last < needed
}
