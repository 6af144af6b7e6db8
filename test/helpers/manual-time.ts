import type { Clock, Timers } from '../../src/live/time.ts'

/** Time that passes when the test says so. */
export interface ManualTime {
  readonly clock: Clock
  readonly timers: Timers
  /** Calls what is due on the way, in order. */
  pass(ms: number): void
}

export function manualTime(startMs = 1_700_000_000_000): ManualTime {
  let nowMs = 0
  const waiting = new Set<{ readonly atMs: number; readonly callback: () => void }>()
  const after = (delayMs: number, callback: () => void) => {
    const entry = { atMs: nowMs + delayMs, callback }
    waiting.add(entry)
    return () => void waiting.delete(entry)
  }
  return {
    clock: { now: () => startMs + nowMs, monotonic: () => nowMs },
    timers: { after, sleep: (delayMs) => new Promise((resolve) => after(delayMs, resolve)) },
    pass(ms) {
      const endMs = nowMs + ms
      for (;;) {
        const [next] = [...waiting].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
        if (next === undefined) break
        waiting.delete(next)
        nowMs = next.atMs
        next.callback()
      }
      nowMs = endMs
    },
  }
}
