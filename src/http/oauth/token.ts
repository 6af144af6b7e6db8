import { Type } from '@sinclair/typebox'
import { redeemCode } from '../../actions/sessions/authorization-codes.ts'
import { redeemDeviceCode } from '../../actions/sessions/device-codes.ts'
import { refreshSession } from '../../actions/sessions/refresh-session.ts'
import { revokeToken } from '../../actions/sessions/revoke-token.ts'
import type { Tokens } from '../../actions/sessions/session-tokens.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { DEVICE_GRANT, GRANT_TYPES } from '../../core/oauth/client.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import { endpoint } from '../endpoint.ts'
import { Token } from '../texts.ts'
import { answerClient, hasOAuth, OAUTH_PATH, readClientForm } from './reply.ts'

const FORM_BYTES = 16_384
export const ClientId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$' })
export const Redirect = Type.String({ maxLength: 1_024 })

const CodeGrant = Type.Object({
  code: Token,
  client_id: ClientId,
  redirect_uri: Redirect,
  code_verifier: Type.String({ pattern: '^[A-Za-z0-9._~-]{43,128}$' }),
})
const DeviceGrant = Type.Object({ device_code: Token, client_id: ClientId })
const RefreshGrant = Type.Object({ refresh_token: Token, client_id: ClientId })
const Revocation = Type.Object({
  token: Token,
  token_type_hint: Type.Optional(Type.String()),
  client_id: Type.Optional(Type.String()),
})

const shared = {
  method: 'POST',
  auth: 'none',
  when: hasOAuth,
  rateLimit: 'login',
  bodyLimitBytes: FORM_BYTES,
} as const

/** Client-Server API, "Grant types"; RFC 6749, sections 4.1.3 and 6; RFC 8628, section 3.4. */
export const getOAuthTokens = endpoint({
  ...shared,
  path: `${OAUTH_PATH}/token`,
  handle: (app, { raw, reply }) =>
    answerClient(reply, async () => {
      const { grant_type: grant } = readClientForm(Type.Object({ grant_type: Type.String() }), raw.body)
      if (grant === 'authorization_code') return byCode(app, raw.body)
      if (grant === 'refresh_token') return byRefreshToken(app, raw.body)
      if (grant === DEVICE_GRANT) return byDeviceCode(app, raw.body)
      throw new OAuthError('unsupported_grant_type', `The grant type is one of ${GRANT_TYPES.join(', ')}.`)
    }),
})

/** Client-Server API, "Token revocation"; RFC 7009. A token that is not known is ended already. */
export const revokeOAuthToken = endpoint({
  ...shared,
  path: `${OAUTH_PATH}/revoke`,
  handle: (app, { raw, reply }) =>
    answerClient(reply, async () => {
      await revokeToken(app, readClientForm(Revocation, raw.body).token)
      return {}
    }),
})

async function byCode(app: App, body: unknown): Promise<object> {
  const form = readClientForm(CodeGrant, body)
  const wish = {
    code: form.code,
    clientId: form.client_id,
    redirectUri: form.redirect_uri,
    verifier: form.code_verifier,
  }
  return wireTokens(await redeemCode(app, wish))
}

async function byDeviceCode(app: App, body: unknown): Promise<object> {
  const form = readClientForm(DeviceGrant, body)
  return wireTokens(await redeemDeviceCode(app, { code: form.device_code, clientId: form.client_id }))
}

async function byRefreshToken(app: App, body: unknown): Promise<object> {
  const form = readClientForm(RefreshGrant, body)
  try {
    return wireTokens(await refreshSession(app, form.refresh_token, form.client_id))
  } catch (error) {
    // After 4xx a client forgets its keys: who is locked out is to find them again when that is over.
    const later = error instanceof MatrixError && (error.errcode === 'M_USER_LOCKED' || error.status === 503)
    if (later) throw new OAuthError('temporarily_unavailable', error.message)
    throw error
  }
}

function wireTokens({ accessToken, refreshToken, expiresInMs, scope }: Tokens & { readonly scope: string | null }) {
  return {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: Math.floor((expiresInMs ?? 0) / 1_000),
    refresh_token: refreshToken,
    scope,
  }
}
