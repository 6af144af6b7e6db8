import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import { SERVER_ALIVE } from '../../store/federation-outbox.ts'
import { write } from '../write.ts'

/** Has a server that is left alone asked again now, by whatever process sends. */
export async function retryServer(app: App, server: ServerName): Promise<void> {
  await write(app, { guards: [], writes: [], log: [{ kind: SERVER_ALIVE, subject: server }] })
}
