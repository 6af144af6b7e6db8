import type { App } from '../../app.ts'
import { GRANT_TYPES } from '../../core/oauth/client.ts'
import { endpoint } from '../endpoint.ts'
import { publicUrl } from '../sso.ts'
import { ACCOUNT_PATH, ACTIONS } from './account-url.ts'
import { hasOAuth, OAUTH_PATH } from './reply.ts'

/** Client-Server API, "Server metadata discovery"; RFC 8414. It names what works, and nothing else. */
export const getAuthMetadata = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/auth_metadata',
  auth: 'none',
  when: hasOAuth,
  handle: async (app, { raw }) => metadataAt(app, publicUrl(app, raw)),
})

/** The issuer, as answers of the authorization endpoint name it too (RFC 9207). */
export function issuerAt(url: string): string {
  return `${url}/`
}

function metadataAt(app: App, url: string): object {
  return {
    issuer: issuerAt(url),
    authorization_endpoint: `${url}${OAUTH_PATH}/authorize`,
    token_endpoint: `${url}${OAUTH_PATH}/token`,
    registration_endpoint: `${url}${OAUTH_PATH}/register`,
    device_authorization_endpoint: `${url}${OAUTH_PATH}/device`,
    revocation_endpoint: `${url}${OAUTH_PATH}/revoke`,
    response_types_supported: ['code'],
    response_modes_supported: ['query', 'fragment'],
    grant_types_supported: GRANT_TYPES,
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    authorization_response_iss_parameter_supported: true,
    account_management_uri: `${url}${ACCOUNT_PATH}`,
    account_management_actions_supported: ACTIONS,
    ...(app.config.client_api.registration_disabled ? {} : { prompt_values_supported: ['create'] }),
  }
}
