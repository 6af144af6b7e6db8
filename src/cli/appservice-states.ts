import type { Logger } from 'pino'
import type { LoadedConfig } from '../config/load.ts'
import { openApp } from '../open-app.ts'
import { appserviceStates } from '../store/appservice-transactions.ts'

export interface ToldSoFar {
  /** Rows of the log that it has not heard of yet. */
  readonly behind: number
  readonly failures: number
  /** ISO 8601; null: it takes what it is told. */
  readonly failing_since: string | null
  readonly last_error: string | null
}

/**
 * How far the application services were told, by their ids. Errors: those of `openApp`.
 */
export async function toldSoFar({ config, dir }: LoadedConfig, log: Logger): Promise<ReadonlyMap<string, ToldSoFar>> {
  const app = await openApp({ config, dir, log, exclusive: false })
  try {
    const states = await appserviceStates(app.db)
    return new Map(
      states.map(({ id, position, failures, failing_since: since, reason }) => {
        const failing = since === null ? null : new Date(since).toISOString()
        const behind = Math.max(app.db.safePosition() - position, 0)
        return [id, { behind, failures: failures ?? 0, failing_since: failing, last_error: reason }]
      }),
    )
  } finally {
    await app.close()
  }
}
