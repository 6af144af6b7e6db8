import type { App } from '../../app.ts'
import { isServerName, type ServerName } from '../../core/ids.ts'
import { canonicalJson, isObject, type JsonObject, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { authorizationHeader } from '../../core/sign.ts'
import { Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'

const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 65_536

export interface IdentityQuestion {
  readonly method: 'GET' | 'POST'
  /** Below `/_matrix/identity/v2`. */
  readonly path: string
  readonly content?: JsonObject
  /** The user's token at the identity server; without, the request bears our signature. */
  readonly token?: string
}

/**
 * Asks an identity server that a user has named (Identity Service API), one of those that the configuration trusts.
 * Errors: M_SERVER_NOT_TRUSTED, Refused, Unreachable.
 */
export async function askIdentityServer(app: App, name: string, question: IdentityQuestion): Promise<JsonObject> {
  checkTrusted(app, name)
  const { method, content } = question
  const path = `/_matrix/identity/v2${question.path}`
  const body = content === undefined ? undefined : canonicalJson(content)
  const reply = await app.remote.strangers.request({
    method,
    origin: `https://${name}`,
    path,
    headers: {
      authorization: authorizationOf(app, name, path, question),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body,
    timeoutMs: TIMEOUT_MS,
    maxBytes: ANSWER_BYTES_MAX,
  })
  const answer = objectIn(reply.body)
  if (reply.status < 200 || reply.status >= 300) throw new Refused(reply.status, answer ?? {})
  if (answer === undefined) throw new Unreachable(`${name} answers with something else than a JSON object`)
  return answer
}

/** Errors: M_SERVER_NOT_TRUSTED. */
export function checkTrusted(app: App, name: string): asserts name is ServerName {
  const { trusted_third_party_id_servers: trusted } = app.config.global
  if (isServerName(name) && (trusted.includes(name) || trusted.includes('*'))) return
  throw new MatrixError('M_SERVER_NOT_TRUSTED', 'This server does not talk to that identity server.')
}

function authorizationOf(app: App, destination: ServerName, uri: string, question: IdentityQuestion): string {
  const { method, content, token } = question
  if (token !== undefined) return `Bearer ${token}`
  return authorizationHeader({ method, uri, origin: app.serverName, destination, content }, app.key)
}

function objectIn(body: Buffer): JsonObject | undefined {
  try {
    const value = parseJson(body)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
