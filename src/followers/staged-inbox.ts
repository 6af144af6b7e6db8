import { startInbox } from '../actions/receive-transaction.ts'
import type { App } from '../app.ts'
import { roomsWithStagedPdus } from '../store/pdus.ts'
import type { Follower } from './follower.ts'

/** What waits for longer was staged by a process that is gone, or met a fault. */
const LEFT_BEHIND_MS = 30_000

/**
 * Takes up what other servers sent and nobody took into its room: at the start all of it, later what is left behind.
 */
export async function startStagedInbox(app: App): Promise<Follower> {
  let stopped = false
  let cancel = () => {}
  const takeUp = async (receivedBefore: number) => {
    for (const { room_id: roomId } of await roomsWithStagedPdus(app.db, receivedBefore)) startInbox(app, roomId)
  }
  const again = () => {
    if (stopped) return
    cancel = app.timers.after(LEFT_BEHIND_MS, () => {
      takeUp(app.clock.now() - LEFT_BEHIND_MS)
        .catch((error: unknown) => app.log.warn({ err: error }, 'staged events wait'))
        .finally(again)
    })
  }
  await takeUp(app.clock.now())
  again()
  return {
    idle: async () => undefined,
    async stop() {
      stopped = true
      cancel()
    },
  }
}
