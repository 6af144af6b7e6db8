import { type KeyObject, verify } from 'node:crypto'
import type { SignatureCheck } from '../../src/core/keys.ts'
import { Heap } from '../../src/core/state/heap.ts'
import type { World } from '../../src/open-app.ts'
import { type Dice, diceOf } from '../core/state/dice.ts'

/** A clock that stands still while anything happens, and jumps to the next timer when nothing does. */
export interface SimulatedTime {
  now(): number
  /** Work of a database is under way: the clock waits for it. */
  during<Result>(work: Promise<Result>): Promise<Result>
  after(delayMs: number, callback: () => void): () => void
  /** Clock, chance and timers of one process. After `end` none of its timers rings. */
  process(seed: number): World & { end(): void }
  /** Lets everything happen that is due up to then. */
  run(untilMs: number): Promise<void>
}

interface Timer {
  readonly atMs: number
  readonly order: number
  callback: (() => void) | undefined
}

/** Turns of the loop without work of a database, after which nothing more will happen by itself. */
const QUIET_TURNS = 3

export function createTime(startMs: number): SimulatedTime {
  const timers = new Heap<Timer>((a, b) => a.atMs - b.atMs || a.order - b.order)
  let now = startMs
  let order = 0
  let busy = 0
  let changes = 0
  const holds = rememberingHolds()

  function after(delayMs: number, callback: () => void): () => void {
    const timer: Timer = { atMs: now + Math.max(0, delayMs), order: order++, callback }
    timers.push(timer)
    return () => {
      timer.callback = undefined
    }
  }

  async function quiet(): Promise<void> {
    for (let turns = 0, seen = changes; turns < QUIET_TURNS; turns++) {
      await new Promise(setImmediate)
      if (busy > 0 || changes !== seen) turns = -1
      seen = changes
    }
  }

  async function runTimers(untilMs: number): Promise<void> {
    await quiet()
    for (let timer = timers.pop(); timer !== undefined; timer = timers.pop()) {
      if (timer.atMs > untilMs) return timers.push(timer)
      if (timer.callback === undefined) continue
      now = timer.atMs
      timer.callback()
      await quiet()
    }
  }

  return {
    now: () => now,
    after,
    async during(work) {
      busy++
      try {
        return await work
      } finally {
        busy--
        changes++
      }
    },
    process(seed) {
      let ended = false
      const whileAlive = (delayMs: number, callback: () => void) => after(delayMs, () => ended || callback())
      return {
        clock: { now: () => now, monotonic: () => now },
        random: { bytes: bytesOf(diceOf(seed)) },
        // At once: how long another thread takes would be left to chance.
        signatureHolds: async (check) => holds(check),
        timers: { after: whileAlive, sleep: (delayMs) => new Promise((resolve) => whileAlive(delayMs, resolve)) },
        end() {
          ended = true
        },
      }
    },
    async run(untilMs) {
      await runTimers(untilMs)
      now = untilMs
    },
  }
}

/** Each server checks the same signatures of the same events: what they come to is the same, too. */
function rememberingHolds(): (check: SignatureCheck) => boolean {
  const byKey = new WeakMap<KeyObject, Map<string, boolean>>()
  return ({ bytes, key, signature }) => {
    const known = byKey.get(key) ?? new Map<string, boolean>()
    byKey.set(key, known)
    const signed = Buffer.concat([signature, bytes]).toString('latin1')
    const held = known.get(signed) ?? verify(null, bytes, key, signature)
    known.set(signed, held)
    return held
  }
}

function bytesOf(dice: Dice): (length: number) => Buffer {
  return (length) => Buffer.from(Array.from({ length }, () => dice.below(256)))
}
