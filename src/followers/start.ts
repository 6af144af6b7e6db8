import type { App } from '../app.ts'
import { startAppserviceSender } from './appservice-sender.ts'
import { startFederationSender } from './federation-sender.ts'
import type { Follower } from './follower.ts'
import { forwardSigns } from './forward-signs.ts'
import { forwardToSender } from './forward-to-sender.ts'
import { inOneProcess } from './lease.ts'
import { startPartialRooms } from './partial-rooms.ts'
import { startPush } from './push.ts'
import { startSearchIndex } from './search-index.ts'
import { startStagedInbox } from './staged-inbox.ts'
import { startStaleDeviceLists } from './stale-device-lists.ts'
import { fillUserDirectory } from './user-directory.ts'

/** Starts what carries the log onwards, and goes on with what a restart interrupted. */
export async function startFollowers(app: App): Promise<Follower> {
  const search = await inOneProcess(app, 'search-index', (lease) => startSearchIndex(app, lease))
  const push = await inOneProcess(app, 'push', (lease) => startPush(app, lease))
  const appservices = await inOneProcess(app, 'appservices', (lease) => startAppserviceSender(app, lease))
  const signs = stoppedBy(forwardSigns(app, appservices.held))
  const followers = [fillUserDirectory(app), search, push, signs, appservices, ...(await startFederation(app))]
  return {
    async idle() {
      for (const follower of followers) await follower.idle()
    },
    async stop() {
      await Promise.all(followers.map((follower) => follower.stop()))
    },
  }
}

async function startFederation(app: App): Promise<readonly Follower[]> {
  if (app.config.global.disable_federation) return []
  const sender = await inOneProcess(app, 'federation-sender', (lease) => startFederationSender(app, lease))
  const members = await inOneProcess(app, 'partial-rooms', () => startPartialRooms(app))
  const inbox = await inOneProcess(app, 'staged-inbox', () => startStagedInbox(app))
  const lists = await inOneProcess(app, 'stale-device-lists', () => startStaleDeviceLists(app))
  return [stoppedBy(forwardToSender(app, sender.held)), members, inbox, sender, lists]
}

function stoppedBy(stop: () => void): Follower {
  return { idle: async () => undefined, stop: async () => stop() }
}
