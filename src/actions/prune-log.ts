import type { App } from '../app.ts'
import { deleteLogRows, NEWS_ROWS, oldestLogRow, slowestCursor } from '../store/log.ts'
import { write } from './write.ts'

/** Rows deleted by one batch: others wait for it. */
const ROWS_AT_ONCE = 5_000
/** Beyond what a sync reads, for those that run while rows go. */
const KEPT_ROWS = 2 * NEWS_ROWS

/**
 * Deletes rows of the log up to the position, as far as no follower needs them and no sync looks for them. Resolves
 * with whether there is more to delete.
 */
export async function pruneLog(app: App, upTo: number): Promise<boolean> {
  const oldest = await oldestLogRow(app.db)
  const needed = Math.min(upTo, app.db.safePosition() - KEPT_ROWS, (await slowestCursor(app.db)) ?? upTo)
  if (oldest === undefined || oldest > needed) return false
  const last = Math.min(needed, oldest + ROWS_AT_ONCE - 1)
  await write(app, { guards: [], writes: [deleteLogRows(last)], log: [] })
  return last < needed
}
