import { createHmac, timingSafeEqual } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import { createAccount } from '../../actions/accounts/create-account.ts'
import { offerNonce } from '../../actions/sessions/offer-nonce.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { logIn } from '../client/login.ts'
import { endpoint } from '../endpoint.ts'
import { foldAscii } from '../identifiers.ts'

/** Registration by shared secret, which works also while registration is closed. */
export const getRegistrationNonce = endpoint({
  method: 'GET',
  path: '/_synapse/admin/v1/register',
  auth: 'none',
  rateLimit: 'registration',
  async handle(app) {
    sharedSecret(app)
    return { nonce: await offerNonce(app) }
  },
})

export const registerBySecret = endpoint({
  method: 'POST',
  path: '/_synapse/admin/v1/register',
  auth: 'none',
  rateLimit: 'registration',
  body: Type.Object({
    nonce: Type.String({ maxLength: 128 }),
    username: Type.String({ maxLength: 255 }),
    password: Type.String({ maxLength: 512 }),
    admin: Type.Optional(Type.Boolean()),
    mac: Type.String({ maxLength: 128 }),
  }),
  async handle(app, { body }) {
    const { nonce, username, password, admin = false } = body
    const parts = [nonce, username, password, admin ? 'admin' : 'notadmin']
    // NUL parts the fields: within one it would let two requests share a code.
    if (parts.some((part) => part.includes('\0'))) throw new MatrixError('M_BAD_JSON', 'A field holds a NUL.')
    checkMac(sharedSecret(app), parts, body.mac)
    const { userId } = await createAccount(app, { localpart: foldAscii(username), password, admin, nonce })
    return logIn(app, userId, {})
  },
})

function sharedSecret(app: App): string {
  const secret = app.config.client_api.registration_shared_secret
  if (secret === '') throw new MatrixError('M_UNKNOWN', 'Shared secret registration is not enabled.')
  return secret
}

function checkMac(secret: string, parts: readonly string[], mac: string): void {
  const right = createHmac('sha1', secret).update(parts.join('\0')).digest()
  const given = Buffer.from(mac, 'hex')
  if (given.length !== right.length || !timingSafeEqual(given, right)) {
    throw new MatrixError('M_FORBIDDEN', 'The HMAC is not right.')
  }
}
