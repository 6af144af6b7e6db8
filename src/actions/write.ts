import type { App } from '../app.ts'
import type { Batch, CommitOutcome } from '../db/database.ts'

/**
 * The only door to a commit. Resolves once the batch is durable, with the positions of its log rows, or with
 * undefined when a guard did not hold: then nothing was written and the action reads afresh.
 */
export async function write(app: Pick<App, 'db'>, batch: Batch): Promise<readonly number[] | undefined> {
  const outcome = await enqueue(app, batch)
  return outcome.committed ? outcome.positions : undefined
}

/** Queues the batch; what is queued later may build on it before it is durable. */
export async function enqueue(app: Pick<App, 'db'>, batch: Batch): Promise<CommitOutcome> {
  try {
    return await app.db.commit(batch)
  } finally {
    batch.basedOn = undefined
  }
}
