import type { Timers } from './time.ts'

/** What a follower does lazily, and at once when somebody waits for it. */
export interface CatchingUp {
  /** Resolves when the follower has come to the position; with false after `timeoutMs`, or where none runs. */
  upTo(position: number, timeoutMs: number): Promise<boolean>
  /** The follower's side: what to do when somebody waits. Returns the way to stop. */
  onAsked(listener: () => void): () => void
  reached(position: number): void
}

export function createCatchingUp(timers: Timers): CatchingUp {
  let listener: (() => void) | undefined
  let at = 0
  const waiting = new Map<() => void, number>()
  return {
    upTo(position, timeoutMs) {
      if (at >= position) return Promise.resolve(true)
      if (listener === undefined) return Promise.resolve(false)
      const asked = listener
      return new Promise((resolve) => {
        const end = (done: boolean) => {
          waiting.delete(arrived)
          cancel()
          resolve(done)
        }
        const arrived = () => end(true)
        const cancel = timers.after(timeoutMs, () => end(false))
        waiting.set(arrived, position)
        asked()
      })
    },
    onAsked(asked) {
      listener = asked
      return () => {
        if (listener === asked) listener = undefined
      }
    },
    reached(position) {
      at = Math.max(at, position)
      for (const [arrived, wanted] of waiting) if (wanted <= at) arrived()
    },
  }
}
