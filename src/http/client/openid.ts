import { Type } from '@sinclair/typebox'
import { issueOpenIdToken } from '../../actions/sessions/issue-openid-token.ts'
import { endpoint } from '../endpoint.ts'
import { checkOwner } from './account-data.ts'

/** Client-Server API, "OpenID". */
export const requestOpenIdToken = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/user/{userId}/openid/request_token',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ userId: Type.String() }),
  body: Type.Object({}),
  async handle(app, { user, params }) {
    checkOwner(user, params.userId)
    const { token, expiresInMs } = await issueOpenIdToken(app, user.userId)
    return {
      access_token: token,
      token_type: 'Bearer',
      matrix_server_name: app.serverName,
      expires_in: Math.floor(expiresInMs / 1_000),
    }
  },
})
