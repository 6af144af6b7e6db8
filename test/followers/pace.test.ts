import { expect, test } from 'vitest'
import { allIdle, paced } from '../../src/followers/pace.ts'

/** A clock that stands until it is told to go. */
function world() {
  let nowMs = 0
  let due: { atMs: number; callback: () => void }[] = []
  const app = {
    clock: { now: () => nowMs, monotonic: () => nowMs },
    random: { bytes: (length: number) => Buffer.alloc(length, 255) },
    timers: {
      after(delayMs: number, callback: () => void) {
        const timer = { atMs: nowMs + delayMs, callback }
        due.push(timer)
        return () => {
          due = due.filter((other) => other !== timer)
        }
      },
      sleep: () => Promise.resolve(),
    },
  }
  const pass = (ms: number) => {
    nowMs += ms
    const now = due.filter(({ atMs }) => atMs <= nowMs)
    due = due.filter(({ atMs }) => atMs > nowMs)
    for (const { callback } of now) callback()
  }
  return { app, pass, timers: () => due.length }
}

const PAUSES = { firstMs: 1_000, growth: 2, maxMs: 3_000 }

test('a step that throws is tried again after a pause that grows, up to its limit', async () => {
  const { app, pass, timers } = world()
  const failed: unknown[] = []
  let steps = 0
  const pace = paced(app, {
    pauses: PAUSES,
    failed: (error) => failed.push(error),
    step: () => (++steps < 4 ? Promise.reject(new Error('no')) : Promise.resolve(false)),
  })
  pace.start()
  for (const pauseMs of [1_000, 2_000, 3_000]) {
    await pace.running
    expect([pace.retryAt - app.clock.now(), timers()]).toEqual([pauseMs, 1])
    pace.start()
    expect([pace.running, timers()]).toEqual([undefined, 1])
    pass(pauseMs)
  }
  await allIdle(() => [pace])
  expect([steps, failed.length, timers()]).toEqual([4, 3, 0])
})

test('what is wanted while a step runs is looked at after it, and nothing after the end', async () => {
  const { app, timers } = world()
  let steps = 0
  let endStep: (more: boolean) => void = () => undefined
  const step = () => {
    steps++
    return new Promise<boolean>((resolve) => (endStep = resolve))
  }
  const pace = paced(app, { pauses: PAUSES, failed: () => undefined, step })
  pace.start()
  pace.start()
  endStep(false)
  await new Promise(setImmediate)
  expect(steps).toBe(2)
  pace.start()
  pace.stop()
  endStep(true)
  await allIdle(() => [pace])
  pace.start()
  expect([steps, pace.running, timers()]).toEqual([2, undefined, 0])
})

test('the end of a pause begins at once and forgets no failure, and chance shortens a pause', async () => {
  const { app } = world()
  let steps = 0
  const pauses = { ...PAUSES, spread: 0.25 }
  const step = async () => {
    if (++steps === 1) pace.pause()
    return false
  }
  const pace = paced(app, { pauses, failed: () => undefined, step })
  pace.start()
  await pace.running
  expect([pace.retryAt, pace.failures]).toEqual([750, 1])
  pace.endPause()
  pace.start()
  await pace.running
  expect([steps, pace.failures]).toEqual([2, 1])
  pace.recover()
  expect(pace.failures).toBe(0)
})
