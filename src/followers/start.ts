import type { App } from '../app.ts'
import { startFederationSender } from './federation-sender.ts'
import type { Follower } from './follower.ts'
import { forwardToSender } from './forward-to-sender.ts'
import { inOneProcess } from './lease.ts'
import { startStagedInbox } from './staged-inbox.ts'

/** Starts what carries the log onwards, and goes on with what a restart interrupted. */
export async function startFollowers(app: App): Promise<Follower> {
  if (app.config.global.disable_federation) return { idle: async () => undefined, stop: async () => undefined }
  const sender = await inOneProcess(app, 'federation-sender', (lease) => startFederationSender(app, lease))
  const inbox = await inOneProcess(app, 'staged-inbox', () => startStagedInbox(app))
  const stopForwarding = forwardToSender(app, sender.held)
  return {
    async idle() {
      await inbox.idle()
      await sender.idle()
    },
    async stop() {
      stopForwarding()
      await Promise.all([inbox.stop(), sender.stop()])
    },
  }
}
