import type { Fault } from './fault.ts'
import { isObject } from './walk.ts'

/** RFC 7518 section 3.2: a key as long as the hash. */
const JWT_KEY_MIN_LENGTH = 32

/** What in the ways to log in would let in everybody, or nobody. */
export function loginFaults({ client_api: api }: Record<string, unknown>): Fault[] {
  if (!isObject(api)) return []
  return [...jwtFaults(api.jwt), ...providerFaults(isObject(api.sso) ? api.sso.providers : undefined)]
}

/** A key that is missing, or too short to be a secret. */
function jwtFaults(jwt: unknown): Fault[] {
  if (!isObject(jwt) || jwt.enabled !== true) return []
  const key = String(jwt.algorithm).startsWith('HS') ? 'secret' : 'public_key'
  if (String(jwt[key]).length >= JWT_KEY_MIN_LENGTH) return []
  const message = `must have at least ${JWT_KEY_MIN_LENGTH} characters with ${jwt.algorithm}`
  return [{ path: ['client_api', 'jwt', key], message }]
}

function providerFaults(providers: unknown): Fault[] {
  const list = Array.isArray(providers) ? providers.filter(isObject) : []
  return list.flatMap((provider, index) => {
    const at = (key: string, message: string) => ({
      path: ['client_api', 'sso', 'providers', String(index), key],
      message,
    })
    const { id, type, client_id: clientId, scopes } = provider
    const openId = type === 'oidc'
    return [
      ...(list.findIndex((other) => other.id === id) === index ? [] : [at('id', 'is that of another provider too')]),
      ...(openId && clientId === '' ? [at('client_id', 'is missing')] : []),
      ...(openId && Array.isArray(scopes) && !scopes.includes('openid') ? [at('scopes', 'must hold openid')] : []),
    ]
  })
}
