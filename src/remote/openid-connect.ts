import type { Configuration, CustomFetchOptions, IDToken, UserInfoResponse } from 'openid-client'
import {
  type Identity,
  type IdentityProvider,
  NotIdentified,
  type ProviderConfig,
  type Visit,
} from './identity-provider.ts'
import { type Outbound, Unreachable } from './outbound.ts'

/** Longest answer of a provider that is read. */
const ANSWER_BYTES_MAX = 1_048_576
/** Answers that have no body, not even an empty one. */
const BODILESS: ReadonlySet<number> = new Set([204, 205, 304])

/**
 * A provider of OpenID Connect: authorization code with PKCE, `state` and `nonce`; its addresses and keys are found at
 * the issuer (OpenID Connect Core 1.0 section 3.1, Discovery 1.0).
 */
export function createOpenIdConnect(config: ProviderConfig, outbound: Outbound, timeoutMs: number): IdentityProvider {
  let found: Promise<Configuration> | undefined

  /** What was found stays; what could not be found is looked for again by the next login. */
  function discovered(): Promise<Configuration> {
    found ??= discover(config, outbound, timeoutMs).catch((error) => {
      found = undefined
      throw error
    })
    return found
  }

  return {
    config,
    async entry(visit) {
      const { buildAuthorizationUrl, calculatePKCECodeChallenge } = await import('openid-client')
      const provider = await discovered()
      const { prompt_values_supported: prompts } = provider.serverMetadata()
      const registers = visit.registers && Array.isArray(prompts) && prompts.includes('create')
      const url = buildAuthorizationUrl(provider, {
        redirect_uri: visit.callback,
        scope: config.scopes.join(' '),
        state: visit.state,
        nonce: visit.nonce,
        code_challenge: await calculatePKCECodeChallenge(visit.verifier),
        code_challenge_method: 'S256',
        ...(registers && { prompt: 'create' }),
      })
      return url.href
    },
    async identify(visit, answer) {
      const provider = await discovered()
      try {
        return await identityOf(config, provider, visit, answer)
      } catch (error) {
        throw asOurs(error)
      }
    },
  }
}

async function discover(config: ProviderConfig, outbound: Outbound, timeoutMs: number): Promise<Configuration> {
  const client = await import('openid-client')
  const { allowInsecureRequests, ClientSecretBasic, customFetch, discovery, enableNonRepudiationChecks, None } = client
  const issuer = new URL(config.issuer)
  const authentication = config.client_secret === '' ? None() : ClientSecretBasic(config.client_secret)
  try {
    return await discovery(issuer, config.client_id, undefined, authentication, {
      [customFetch]: (url: string, options: CustomFetchOptions) => fetchBy(outbound, url, options, timeoutMs),
      // The signature of the ID token counts as well as the connection that it came by. Only who wrote `http://` into
      // the configuration gets it.
      execute: [enableNonRepudiationChecks, ...(issuer.protocol === 'http:' ? [allowInsecureRequests] : [])],
    })
  } catch (error) {
    throw error instanceof Unreachable ? error : new Unreachable(`${config.issuer}: ${messageOf(error)}`)
  }
}

async function identityOf(
  config: ProviderConfig,
  provider: Configuration,
  visit: Visit,
  answer: URLSearchParams,
): Promise<Identity> {
  const { authorizationCodeGrant, fetchUserInfo } = await import('openid-client')
  const tokens = await authorizationCodeGrant(provider, new URL(`${visit.callback}?${answer}`), {
    expectedState: visit.state,
    expectedNonce: visit.nonce,
    pkceCodeVerifier: visit.verifier,
  })
  // A nonce is expected, so the library insists on an ID token.
  const token = tokens.claims() as IDToken
  const told: UserInfoResponse | object = config.user_info
    ? await fetchUserInfo(provider, tokens.access_token, token.sub)
    : {}
  return identityFrom(config, { ...told, ...token })
}

function identityFrom({ subject_claim: claim }: ProviderConfig, claims: Readonly<Record<string, unknown>>): Identity {
  const subject = claims[claim]
  if (typeof subject === 'string' && subject !== '') return { subject, claims }
  if (typeof subject === 'number') return { subject: String(subject), claims }
  throw new NotIdentified(`the provider says no ${claim}`)
}

/** The requests of the library, through our one door to the network. */
async function fetchBy(
  outbound: Outbound,
  address: string,
  options: CustomFetchOptions,
  timeoutMs: number,
): Promise<Response> {
  const url = new URL(address)
  const body = options.body instanceof URLSearchParams ? options.body.toString() : options.body
  const reply = await outbound.request({
    method: options.method,
    origin: url.origin,
    path: url.pathname + url.search,
    headers: options.headers,
    body: typeof body === 'string' ? body : undefined,
    timeoutMs,
    maxBytes: ANSWER_BYTES_MAX,
  })
  const headers = new Headers()
  for (const [name, value] of Object.entries(reply.headers)) {
    for (const one of [value ?? []].flat()) headers.append(name, one)
  }
  const content = BODILESS.has(reply.status) ? null : new Uint8Array(reply.body)
  return new Response(content, { status: reply.status, headers })
}

function asOurs(error: unknown): Error {
  if (error instanceof Unreachable || error instanceof NotIdentified) return error
  // The library wraps what its fetch throws.
  const { cause } = error as { cause?: unknown }
  if (cause instanceof Unreachable) return cause
  return new NotIdentified(messageOf(error), { cause: error })
}

function messageOf(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${cause.message}` : message
}
