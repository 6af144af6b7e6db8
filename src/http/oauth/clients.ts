import { registerClient } from '../../actions/sessions/oauth-clients.ts'
import { readClient } from '../../core/oauth/client.ts'
import { endpoint } from '../endpoint.ts'
import { readJson } from '../validate.ts'
import { answerClient, hasOAuth, OAUTH_PATH } from './reply.ts'

const METADATA_BYTES = 32_768

/** Client-Server API, "Dynamic client registration flow"; RFC 7591. */
export const registerOAuthClient = endpoint({
  method: 'POST',
  path: `${OAUTH_PATH}/register`,
  auth: 'none',
  when: hasOAuth,
  rateLimit: 'registration',
  bodyLimitBytes: METADATA_BYTES,
  handle: (app, { raw, reply }) =>
    answerClient(reply, async () => {
      const client = readClient(readJson(raw.body))
      const clientId = await registerClient(app, client)
      reply.code(201)
      return { client_id: clientId, ...client }
    }),
})
