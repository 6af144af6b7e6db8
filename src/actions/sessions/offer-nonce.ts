import type { App } from '../../app.ts'
import { insertNonce } from '../../store/registration-nonces.ts'
import { write } from '../write.ts'

const NONCE_BYTES = 32
const NONCE_LIFETIME_MS = 60_000

/** A nonce with which one account can be made within a minute. */
export async function offerNonce(app: App): Promise<string> {
  const nonce = app.random.bytes(NONCE_BYTES).toString('hex')
  const nowMs = app.clock.now()
  await write(app, { guards: [], writes: insertNonce(nonce, nowMs + NONCE_LIFETIME_MS, nowMs), log: [] })
  return nonce
}
