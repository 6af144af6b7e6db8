import type { Clock, Timers } from '../../src/live/time.ts'

export interface HandTime {
  readonly clock: Clock
  readonly timers: Timers
  /** Lets time pass, and timers ring that are due by then. */
  pass(ms: number): void
  /** Resolves once the nearest timer has to wait for exactly so long. */
  alarmIn(ms: number): Promise<void>
}

/** Time that stands still until the test moves it. */
export function handTime(startMs: number): HandTime {
  let nowMs = startMs
  const alarms = new Set<{ readonly at: number; readonly ring: () => void }>()
  const waiting = new Set<() => void>()
  const after = (delayMs: number, ring: () => void) => {
    if (delayMs <= 0) {
      const soon = setImmediate(ring)
      return () => clearImmediate(soon)
    }
    const alarm = { at: nowMs + delayMs, ring }
    alarms.add(alarm)
    for (const resolve of waiting) resolve()
    waiting.clear()
    return () => void alarms.delete(alarm)
  }
  return {
    clock: { now: () => nowMs, monotonic: () => nowMs },
    timers: { after, sleep: (delayMs) => new Promise((resolve) => after(delayMs, resolve)) },
    pass(ms) {
      nowMs += ms
      for (const alarm of [...alarms].sort((one, other) => one.at - other.at)) {
        if (alarm.at > nowMs || !alarms.delete(alarm)) continue
        alarm.ring()
      }
    },
    async alarmIn(ms) {
      const nearest = () => Math.min(...[...alarms].map(({ at }) => at)) - nowMs
      while (nearest() !== ms) await new Promise<void>((resolve) => waiting.add(resolve))
    },
  }
}
