import { createHmac } from 'node:crypto'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

/** Client-Server API, "Voice over IP": credentials for the relay that is configured. */
export const getTurnServer = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/voip/turnServer',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  async handle(app, { user }) {
    const { turn_uris: uris, turn_user_lifetime: lifetimeMs } = app.config.client_api.turn
    if (uris.length === 0) throw new MatrixError('M_NOT_FOUND', 'This server has no relay for calls.')
    const ttl = Math.floor(lifetimeMs / 1_000)
    return { ...credentials(app, user.userId, ttl), uris, ttl }
  },
})

/**
 * With a shared secret the relay checks the name and its end by itself (draft-uberti-behave-turn-rest). Errors:
 * M_NOT_FOUND.
 */
function credentials(app: App, userId: string, ttl: number): { username: string; password: string } {
  const { turn_shared_secret: secret, turn_username: fixed, turn_password: password } = app.config.client_api.turn
  if (secret === '' && fixed === '') throw new MatrixError('M_NOT_FOUND', 'The relay for calls has no credentials.')
  if (secret === '') return { username: fixed, password }
  const username = `${Math.floor(app.clock.now() / 1_000) + ttl}:${userId}`
  return { username, password: createHmac('sha1', secret).update(username).digest('base64') }
}
