import { startCompleting } from '../actions/federation/complete-room.ts'
import type { App } from '../app.ts'
import { partialRooms } from '../store/room-takeover.ts'
import type { Follower } from './follower.ts'
import { repeat } from './repeat.ts'

/** Rooms whose members nobody gave, or whose process died, are tried again after this time. */
const AGAIN_MS = 60_000

/** Goes on with rooms that were joined without their members: at the start, and with those that failed. */
export async function startPartialRooms(app: App): Promise<Follower> {
  const rooms = await repeat(app, AGAIN_MS, async () => {
    for (const roomId of await partialRooms(app.db)) void startCompleting(app, roomId)
  })
  return { ...rooms, idle: () => app.live.completing.idle() }
}
