import type { App } from '../app.ts'
import type { Follower } from './follower.ts'

/** Works at the start, and again after each pause. A failure is logged: the next time may be better. */
export async function repeat(app: App, pauseMs: number, work: () => Promise<void>): Promise<Follower> {
  let stopped = false
  let working = work()
  let cancel: () => void = () => undefined
  const again = () => {
    if (stopped) return
    cancel = app.timers.after(pauseMs, () => {
      working = work().catch((error: unknown) => app.log.warn({ err: error }, 'left-over work waits'))
      void working.then(again)
    })
  }
  await working
  again()
  return {
    idle: () => working,
    async stop() {
      stopped = true
      cancel()
      await working
    },
  }
}
