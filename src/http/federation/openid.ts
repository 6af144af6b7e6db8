import { Type } from '@sinclair/typebox'
import { hashToken } from '../../actions/sessions/session-tokens.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { userOfOpenIdToken } from '../../store/openid-tokens.ts'
import { endpoint } from '../endpoint.ts'
import { Token } from '../texts.ts'

/** Server-Server API, "OpenID": who holds the token, for whoever the user gave it to. */
export const exchangeOpenIdToken = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/openid/userinfo',
  auth: 'none',
  rateLimit: 'other',
  query: Type.Object({ access_token: Type.Optional(Token) }),
  async handle(app, { query }) {
    const { access_token: token } = query
    if (token === undefined) throw new MatrixError('M_MISSING_TOKEN', 'An OpenID token is needed.')
    const sub = await userOfOpenIdToken(app.db, hashToken(token), app.clock.now())
    if (sub === undefined) throw new MatrixError('M_UNKNOWN_TOKEN', 'The OpenID token is unknown or has expired.')
    return { sub }
  },
})
