import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What an endpoint may do beyond answering at once with what the client did right or wrong. */
export interface EndpointLimits {
  /** Statuses from 502 to 504: it asks another server, or waits for an upload. */
  readonly gateway: readonly number[]
  /** It waits for news. */
  readonly polls: boolean
}

/**
 * By route, as `METHOD path`: every endpoint has a row in `limits.tsv`, in which `502` and so on stand for the statuses
 * that it may answer with, and `polls` for waiting.
 */
export const LIMITS: ReadonlyMap<string, EndpointLimits> = new Map(
  readFileSync(join(import.meta.dirname, 'limits.tsv'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([route = '', allowed = '']): [string, EndpointLimits] => {
      const words = allowed.split(' ')
      return [
        route,
        { gateway: words.filter((word) => /^50[234]$/.test(word)).map(Number), polls: words.includes('polls') },
      ]
    }),
)
