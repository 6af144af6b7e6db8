import { randomBytes } from 'node:crypto'

/** The only file that reads the wall clock, makes timers or draws random bytes: a simulation hands in its own. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. Never orders events or tokens. */
  now(): number
  /** Monotonic milliseconds, for durations. */
  monotonic(): number
}

export interface Random {
  bytes(length: number): Buffer
}

export interface Timers {
  /** Calls back once after `delayMs` (at most 2^31−1). Returns the way to cancel. Does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void
  sleep(delayMs: number): Promise<void>
}

export const systemClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

export const systemRandom: Random = { bytes: (length) => randomBytes(length) }

export const systemTimers: Timers = {
  after(delayMs, callback) {
    const timer = setTimeout(callback, Math.min(delayMs, 2 ** 31 - 1))
    timer.unref()
    return () => clearTimeout(timer)
  },
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, Math.min(delayMs, 2 ** 31 - 1))),
}

/** Lets the loop go on with other requests between two pieces of a long work. */
export function breathe(): Promise<void> {
  return new Promise(setImmediate)
}
