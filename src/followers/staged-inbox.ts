import { startInbox } from '../actions/federation/receive-transaction.ts'
import type { App } from '../app.ts'
import { roomsWithStagedPdus } from '../store/pdus.ts'
import type { Follower } from './follower.ts'
import { repeat } from './repeat.ts'

/** What waits for longer was staged by a process that is gone, or met a fault. */
const LEFT_BEHIND_MS = 30_000

/**
 * Takes up what other servers sent and nobody took into its room: at the start all of it, later what is left behind.
 */
export function startStagedInbox(app: App): Promise<Follower> {
  let ageMs = 0
  return repeat(app, LEFT_BEHIND_MS, async () => {
    const rooms = await roomsWithStagedPdus(app.db, app.clock.now() - ageMs)
    for (const { room_id: roomId } of rooms) startInbox(app, roomId)
    ageMs = LEFT_BEHIND_MS
  })
}
