/** Work that is due for a key: one run at a time each, and one more when it was asked for meanwhile. */
export interface Turns {
  /** Runs `work` now, or again after the run under way. Resolves when nothing is due for the key any more. */
  run(key: string, work: () => Promise<void>): Promise<void>
  /** Resolves when nothing is due for the key any more. */
  ended(key: string): Promise<void>
  /** Resolves when no run is under way. */
  idle(): Promise<void>
  /** No run begins any more, and those under way are asked to end. Resolves when they did. */
  close(): Promise<void>
  readonly closed: boolean
}

export function createTurns(failed: (key: string, error: unknown) => void): Turns {
  let closed = false
  const running = new Map<string, { again: boolean; readonly done: Promise<void> }>()

  async function repeat(key: string, work: () => Promise<void>): Promise<void> {
    const turn = () => running.get(key)!
    do {
      await Promise.resolve()
      turn().again = false
      await work().catch((error: unknown) => failed(key, error))
    } while (turn().again && !closed)
    running.delete(key)
  }

  async function idle(): Promise<void> {
    while (running.size > 0) await Promise.all([...running.values()].map(({ done }) => done))
  }

  return {
    run(key, work) {
      if (closed) return Promise.resolve()
      const now = running.get(key)
      if (now !== undefined) {
        now.again = true
        return now.done
      }
      const done = repeat(key, work)
      running.set(key, { again: false, done })
      return done
    },
    ended: (key) => running.get(key)?.done ?? Promise.resolve(),
    idle,
    close() {
      closed = true
      return idle()
    },
    get closed() {
      return closed
    },
  }
}
