import { startInbox } from '../actions/receive-transaction.ts'
import type { App } from '../app.ts'
import { roomsWithStagedPdus } from '../store/pdus.ts'
import { type Follower, startFederationSender } from './federation-sender.ts'

/** Starts what carries the log onwards, and goes on with what a restart interrupted. */
export async function startFollowers(app: App): Promise<Follower> {
  if (app.config.global.disable_federation) return { idle: async () => undefined, stop: async () => undefined }
  for (const { room_id: roomId } of await roomsWithStagedPdus(app.db)) startInbox(app, roomId)
  return startFederationSender(app)
}
