import type { App } from '../../app.ts'
import { insertLoginToken } from '../../store/login-tokens.ts'
import { write } from '../write.ts'
import { hashToken } from './session-tokens.ts'

const TOKEN_BYTES = 32

/** A token with which one device may log in as the user, once. */
export async function issueLoginToken(app: App, userId: string, lifetimeMs: number): Promise<string> {
  const token = app.random.bytes(TOKEN_BYTES).toString('base64url')
  const nowMs = app.clock.now()
  const writes = insertLoginToken(hashToken(token), userId, nowMs + lifetimeMs, nowMs)
  await write(app, { guards: [], writes, log: [] })
  return token
}
