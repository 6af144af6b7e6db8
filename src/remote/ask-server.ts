import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { authorizationHeader } from '../core/sign.ts'
import { Unreachable } from './outbound.ts'

export interface Question {
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Path and query, made with `federationPath`. */
  readonly uri: string
  readonly content?: JsonValue
  readonly timeoutMs?: number
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

/** The other server answered, and refused. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly status: number
  /** As the server wrote it; '' if it did not say. */
  readonly errcode: string
  readonly body: JsonObject

  constructor(status: number, body: JsonObject) {
    const text = own(body, 'error')
    super(typeof text === 'string' ? text.slice(0, 500) : `status ${status}`)
    this.status = status
    this.body = body
    const errcode = own(body, 'errcode')
    this.errcode = typeof errcode === 'string' ? errcode : ''
  }
}

const TIMEOUT_MS = 30_000
/** Of any answer but those that name another limit. */
const ANSWER_BYTES_MAX = 1_048_576

/**
 * Asks another server, with our signature (Server-Server API, "Request Authentication"), and resolves with the JSON
 * object of its answer. Errors: Refused for any status but 2xx, Unreachable.
 */
export async function askServer(app: App, destination: ServerName, question: Question): Promise<JsonObject> {
  const { method, uri, content } = question
  const authorization = authorizationHeader({ method, uri, origin: app.serverName, destination, content }, app.key)
  const body = content === undefined ? undefined : canonicalJson(content)
  const reply = await app.remote.transport.send({
    destination,
    method,
    uri,
    headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body,
    timeoutMs: question.timeoutMs ?? TIMEOUT_MS,
    maxBytes: question.maxBytes ?? ANSWER_BYTES_MAX,
    signal: question.signal,
  })
  const answer = jsonIn(reply.body)
  if (reply.status >= 200 && reply.status < 300) {
    if (answer === undefined) throw new Unreachable(`${destination} answers without a JSON object`)
    return answer
  }
  throw new Refused(reply.status, answer ?? {})
}

/** `federationPath\`/v1/make_join/${roomId}/${userId}\``: the holes are encoded. */
export function federationPath(parts: TemplateStringsArray, ...holes: readonly string[]): string {
  const encoded = holes.map((hole) => encodeURIComponent(hole))
  return `/_matrix/federation${parts.map((part, index) => part + (encoded[index] ?? '')).join('')}`
}

function jsonIn(body: Uint8Array): JsonObject | undefined {
  try {
    const value = parseJson(body)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
