import { isObject, type JsonObject, type JsonValue, own } from '../json.ts'
import { OAuthError } from './error.ts'
import { type ApplicationType, isBelow, mayRegister, secureUrl } from './redirect-uri.ts'

const TEXT_LENGTH_MAX = 200
const URI_LENGTH_MAX = 1_024
const REDIRECTS_MAX = 20
/** RFC 8628. */
export const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
export const GRANT_TYPES = ['authorization_code', 'refresh_token', DEVICE_GRANT] as const
/** Links that a user is shown. */
const LINKS = ['logo_uri', 'tos_uri', 'policy_uri'] as const

/** What a client says of itself, as far as it is understood (Client-Server API, "Client metadata"). */
export interface OAuthClient {
  readonly client_uri: string
  readonly client_name?: string
  readonly logo_uri?: string
  readonly tos_uri?: string
  readonly policy_uri?: string
  readonly redirect_uris: readonly string[]
  readonly application_type: ApplicationType
  readonly grant_types: readonly string[]
  readonly response_types: readonly string[]
  readonly token_endpoint_auth_method: 'none'
}

/** Reads a registration (RFC 7591, section 2). Errors: invalid_client_metadata, invalid_redirect_uri. */
export function readClient(body: JsonValue | undefined): OAuthClient {
  if (!isObject(body)) throw invalid('The body is not a JSON object.')
  const clientUri = text(body, 'client_uri', URI_LENGTH_MAX)
  const base = secureUrl(clientUri ?? '')
  if (clientUri === undefined || base === undefined)
    throw invalid('client_uri has to be an https URL of a domain, without user and password.')
  const type = text(body, 'application_type', TEXT_LENGTH_MAX) ?? 'web'
  if (type !== 'web' && type !== 'native') throw invalid('application_type is web or native.')
  if ((text(body, 'token_endpoint_auth_method', TEXT_LENGTH_MAX) ?? 'none') !== 'none')
    throw invalid('Clients have no secrets here: token_endpoint_auth_method is none.')
  const asked = texts(body, 'grant_types') ?? ['authorization_code']
  const byCode = asked.includes('authorization_code')
  if (!byCode && !asked.includes(DEVICE_GRANT))
    throw invalid(`grant_types has to hold authorization_code or ${DEVICE_GRANT}.`)
  if (byCode && !(texts(body, 'response_types') ?? ['code']).includes('code'))
    throw invalid('response_types has to hold code.')
  const name = text(body, 'client_name', TEXT_LENGTH_MAX)
  return {
    client_uri: clientUri,
    ...(name === undefined ? {} : { client_name: name }),
    ...links(body, base),
    redirect_uris: redirects(body, base, { type, needed: byCode }),
    application_type: type,
    // Whoever is let in gets a refresh token.
    grant_types: GRANT_TYPES.filter((grant) => grant === 'refresh_token' || asked.includes(grant)),
    response_types: byCode ? ['code'] : [],
    token_endpoint_auth_method: 'none',
  }
}

function links(body: JsonObject, base: URL): Partial<Record<(typeof LINKS)[number], string>> {
  const found = LINKS.map((name) => [name, text(body, name, URI_LENGTH_MAX)] as const)
  for (const [name, uri] of found)
    if (uri !== undefined && !isBelow(base, uri))
      throw invalid(`${name} has to be an https URL on the host of client_uri.`)
  return Object.fromEntries(found.filter(([, uri]) => uri !== undefined))
}

interface Redirects {
  readonly type: ApplicationType
  readonly needed: boolean
}

function redirects(body: JsonObject, base: URL, { type, needed }: Redirects): readonly string[] {
  const uris = texts(body, 'redirect_uris') ?? []
  if ((needed && uris.length === 0) || uris.length > REDIRECTS_MAX)
    throw new OAuthError('invalid_redirect_uri', `A client has 1 to ${REDIRECTS_MAX} redirect_uris.`)
  if (!uris.every((uri) => uri.length <= URI_LENGTH_MAX && mayRegister(base, type, uri)))
    throw new OAuthError('invalid_redirect_uri', `A redirect URI is not one of a ${type} client at ${base.hostname}.`)
  return uris
}

function text(body: JsonObject, name: string, maxLength: number): string | undefined {
  const value = own(body, name)
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string' && value.length <= maxLength && !value.includes('\0')) return value
  throw invalid(`${name} is a text of up to ${maxLength} characters.`)
}

function texts(body: JsonObject, name: string): readonly string[] | undefined {
  const value = own(body, name)
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value
  throw invalid(`${name} is a list of texts.`)
}

function invalid(description: string): OAuthError {
  return new OAuthError('invalid_client_metadata', description)
}
