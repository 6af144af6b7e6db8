import { createHash } from 'node:crypto'
import type { App } from '../../app.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import type { OAuthClient } from '../../core/oauth/client.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import { clientMetadata, insertClient } from '../../store/oauth.ts'
import { write } from '../write.ts'

/** Clients without a session that are remembered: anybody may register, and the apps of all users are some dozens. */
const IDLE_CLIENTS_MAX = 2_000

/** Registers a client. The same metadata is the same client: its id is their hash. */
export async function registerClient(app: App, client: OAuthClient): Promise<string> {
  const metadata = canonicalJson(client as unknown as JsonObject)
  const clientId = createHash('sha256').update(metadata).digest('base64url')
  const writes = insertClient(clientId, metadata, app.clock.now(), IDLE_CLIENTS_MAX)
  await write(app, { guards: [], writes, log: [] })
  return clientId
}

/** Errors: invalid_client. */
export async function clientWithId(app: App, clientId: string): Promise<OAuthClient> {
  const metadata = await clientMetadata(app.db, clientId)
  if (metadata === undefined) throw new OAuthError('invalid_client', 'The client is not registered, or was forgotten.')
  return JSON.parse(metadata) as OAuthClient
}
