import type { Clock } from './time.ts'

/** Work without a pause, some tenths of a millisecond each, of which much may come at the same time. */
export interface LoopShare {
  /**
   * Resolves when the caller may work: at once, unless those before it have had their share of this turn of the loop;
   * then in order, one in each turn, so that other requests are answered in between.
   */
  turn(): Promise<void>
}

/** Of one turn of the loop. Below it a group of commits gathers as before. */
const SHARE_MS = 4

export function createLoopShare(clock: Clock): LoopShare {
  const waiting: (() => void)[] = []
  /** When somebody first worked in this turn. */
  let sinceMs: number | undefined

  function begin(): void {
    sinceMs = clock.monotonic()
    void new Promise(setImmediate).then(() => {
      sinceMs = undefined
      const next = waiting.shift()
      if (next === undefined) return
      begin()
      next()
    })
  }

  return {
    async turn() {
      if (sinceMs === undefined) begin()
      else if (waiting.length > 0 || clock.monotonic() - sinceMs >= SHARE_MS)
        await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}
