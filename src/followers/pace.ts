import type { App } from '../app.ts'
import { type Pauses, wholePauseMs } from '../live/pauses.ts'

export interface Pace {
  /** In a row. */
  readonly failures: number
  /** Nothing is tried before it; milliseconds since 1970. */
  readonly retryAt: number
  readonly running: Promise<void> | undefined
  /** There may be something to do: works now, after the pause, or on when work is under way. */
  start(): void
  /** Tries again after a pause. Returns its length in milliseconds. */
  pause(): number
  /** It has worked. */
  recover(): void
  /** It may work now: nothing waits any more, and the next failure makes for a longer pause all the same. */
  endPause(): void
  /** Nothing is begun any more, and `running` ends after the step under way. */
  stop(): void
}

interface Work {
  /** Resolves with whether there may be more to do now. */
  step(): Promise<boolean>
  /** A step has thrown: it is tried again after a pause. */
  failed(error: unknown): void
  readonly pauses: Pauses
  /** What is known of an earlier process. */
  readonly failures?: number
  readonly retryAt?: number
}

/**
 * Work for somebody who may be slow or away, one step after another. Whoever does not answer is left alone for longer
 * and longer.
 */
export function paced(app: Pick<App, 'clock' | 'random' | 'timers'>, work: Work): Pace {
  let { failures = 0, retryAt = 0 } = work
  let [wanted, stopped] = [false, false]
  let running: Promise<void> | undefined
  let cancelRetry: () => void = () => undefined

  async function workOn(): Promise<void> {
    while (wanted && !stopped && retryAt <= app.clock.now()) {
      wanted = false
      while (!stopped && (await work.step())) {}
    }
  }

  function start(): void {
    if (stopped) return
    wanted = true
    if (running !== undefined) return
    cancelRetry()
    const waitMs = retryAt - app.clock.now()
    if (waitMs > 0) {
      cancelRetry = app.timers.after(waitMs, start)
      return
    }
    running = workOn()
      .catch((error: unknown) => {
        work.failed(error)
        pause()
      })
      .finally(() => {
        running = undefined
        if (wanted) start()
      })
  }

  function pause(): number {
    const { spread = 0 } = work.pauses
    const wholeMs = wholePauseMs(work.pauses, failures++)
    const chance = spread === 0 ? 0 : app.random.bytes(1)[0]! / 255
    const pauseMs = Math.round(wholeMs * (1 - spread * chance))
    retryAt = app.clock.now() + pauseMs
    wanted = true
    return pauseMs
  }

  return {
    get failures() {
      return failures
    },
    get retryAt() {
      return retryAt
    },
    get running() {
      return running
    },
    start,
    pause,
    recover() {
      failures = 0
      retryAt = 0
    },
    endPause() {
      retryAt = 0
    },
    stop() {
      stopped = true
      cancelRetry()
    },
  }
}

/** Resolves when nobody works any more. */
export async function allIdle(paces: () => Iterable<Pace>): Promise<void> {
  for (;;) {
    const running = [...paces()].flatMap((pace) => pace.running ?? [])
    if (running.length === 0) return
    await Promise.all(running)
  }
}
