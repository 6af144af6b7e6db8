import type { App } from '../../app.ts'
import { insertOpenIdToken } from '../../store/openid-tokens.ts'
import { write } from '../write.ts'
import { hashToken } from './session-tokens.ts'

const TOKEN_BYTES = 32

/** A token with which a third party can ask this server who the user is, and nothing else. */
export async function issueOpenIdToken(app: App, userId: string): Promise<{ token: string; expiresInMs: number }> {
  const token = app.random.bytes(TOKEN_BYTES).toString('base64url')
  const nowMs = app.clock.now()
  const expiresInMs = app.config.user_api.openid_token_lifetime_ms
  const writes = insertOpenIdToken(hashToken(token), userId, nowMs + expiresInMs, nowMs)
  await write(app, { guards: [], writes, log: [] })
  return { token, expiresInMs }
}
