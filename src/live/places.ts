import { MatrixError } from '../core/matrix-error.ts'

/** A bounded number of works at a time; others wait for their turn. Errors: M_LIMIT_EXCEEDED when too many wait. */
export type Places = <T>(work: () => Promise<T>) => Promise<T>

/** `refusal` is told to those for whom there is no place, not even to wait. */
export function createPlaces(places: number, waitingMax: number, refusal: string): Places {
  let free = places
  const waiting: (() => void)[] = []
  return async (work) => {
    if (waiting.length >= waitingMax) throw new MatrixError('M_LIMIT_EXCEEDED', refusal, { retry_after_ms: 1_000 })
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = waiting.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
