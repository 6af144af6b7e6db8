import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { holdsMoreThan } from '../core/json-items.ts'
import { type Errcode, MatrixError } from '../core/matrix-error.ts'
import { authorizationHeader } from '../core/sign.ts'
import { type IncomingReply, Unreachable } from './outbound.ts'
import type { ServerRequest } from './transport.ts'

export interface Question {
  readonly method: 'GET' | 'PUT' | 'POST'
  /** Path and query, made with `federationPath`. */
  readonly uri: string
  readonly content?: JsonValue
  readonly timeoutMs?: number
  readonly silenceMs?: number
  readonly maxBytes?: number
  /** Of an answer with more values in it nothing is read. */
  readonly maxValues?: number
  readonly signal?: AbortSignal
  /** The answer is `[200, {…}]`, as in the first versions of some endpoints. */
  readonly wrapped?: boolean
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
/** Of a longer refusal nobody reads the reason. */
const REFUSAL_BYTES_MAX = 65_536
/** Of any answer but those that name another limit. */
const ANSWER_BYTES_MAX = 1_048_576
/** Some tenths of a second to read, however short they are. */
const ANSWER_VALUES_MAX = 1_000_000

/**
 * Asks another server, with our signature (Server-Server API, "Request Authentication"), and resolves with the JSON
 * object of its answer. Errors: Refused for any status but 2xx, Unreachable.
 */
export async function askServer(app: App, destination: ServerName, question: Question): Promise<JsonObject> {
  const text = await askForText(app, destination, question)
  const tooMany = holdsMoreThan(text, question.maxValues ?? ANSWER_VALUES_MAX)
  const answer = tooMany ? undefined : jsonIn(text, question.wrapped === true)
  if (answer === undefined) throw new Unreachable(`${destination} answers without a JSON object`)
  return answer
}

/** The same for an answer that is too large to be read at once: resolves with its text. */
export async function askForText(app: App, destination: ServerName, question: Question): Promise<Uint8Array> {
  const { status, body } = await app.remote.transport.send(requestOf(app, destination, question))
  if (status >= 200 && status < 300) return body
  throw new Refused(status, (body.length <= REFUSAL_BYTES_MAX && jsonIn(body, question.wrapped === true)) || {})
}

/** The same for an answer that is no JSON: `read` gets it as it comes, whatever its status. Errors: Unreachable. */
export function receiveFrom<T>(
  app: App,
  destination: ServerName,
  question: Question,
  read: (reply: IncomingReply) => Promise<T>,
): Promise<T> {
  return app.remote.transport.receive(requestOf(app, destination, question), read)
}

function requestOf(app: App, destination: ServerName, question: Question): ServerRequest {
  const { method, uri, content } = question
  const authorization = authorizationHeader({ method, uri, origin: app.serverName, destination, content }, app.key)
  const body = content === undefined ? undefined : canonicalJson(content)
  return {
    destination,
    method,
    uri,
    headers: { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    body,
    timeoutMs: question.timeoutMs ?? TIMEOUT_MS,
    silenceMs: question.silenceMs,
    maxBytes: question.maxBytes ?? ANSWER_BYTES_MAX,
    signal: question.signal,
  }
}

/**
 * Sends an event by the second version of an endpoint, or by the first where the server does not know the second: its
 * answer stands in an array behind the status. `path` follows the version. Errors: those of `askServer`.
 */
export async function sendByV2(
  app: App,
  destination: ServerName,
  path: string,
  question: Omit<Question, 'method' | 'uri'>,
): Promise<JsonObject> {
  try {
    return await askServer(app, destination, { ...question, method: 'PUT', uri: `/_matrix/federation/v2${path}` })
  } catch (error) {
    if (!isUnknownEndpoint(error)) throw error
    const uri = `/_matrix/federation/v1${path}`
    return askServer(app, destination, { ...question, method: 'PUT', uri, wrapped: true })
  }
}

/** A missing endpoint is told by 404 or, by old servers, 400; a missing room has an errcode of its own. */
export function isUnknownEndpoint(error: unknown): boolean {
  return error instanceof Refused && error.status < 500 && ['', 'M_UNRECOGNIZED'].includes(error.errcode)
}

/** What ends a session, or stops it. */
const SESSION_ERRCODES: ReadonlySet<string> = new Set(['M_UNKNOWN_TOKEN', 'M_MISSING_TOKEN', 'M_USER_LOCKED'])
const ERRCODE = /^[A-Za-z0-9_.]{1,100}$/

/** What a client should know of another server's refusal or silence. Errors: any other failure. */
export function asMatrixError(server: ServerName, error: unknown): MatrixError {
  if (error instanceof MatrixError) return error
  if (error instanceof Unreachable) return new MatrixError('M_UNKNOWN', `${server} cannot be reached.`, {}, 502)
  if (!(error instanceof Refused)) throw error
  // Whether a client is logged in is for us to say.
  if (error.status === 401 || SESSION_ERRCODES.has(error.errcode))
    return new MatrixError('M_UNKNOWN', `${server}: ${error.message}`, {}, 502)
  // Also what only that server knows: clients may know it too.
  const known = ERRCODE.test(error.errcode) ? (error.errcode as Errcode) : 'M_UNKNOWN'
  const version = own(error.body, 'room_version')
  const extra = typeof version === 'string' ? { room_version: version } : {}
  return new MatrixError(known, `${server}: ${error.message}`, extra, error.status >= 500 ? 502 : error.status)
}

/** `federationPath\`/v1/make_join/${roomId}/${userId}\``: the holes are encoded. */
export function federationPath(parts: TemplateStringsArray, ...holes: readonly string[]): string {
  const encoded = holes.map((hole) => encodeURIComponent(hole))
  return `/_matrix/federation${parts.map((part, index) => part + (encoded[index] ?? '')).join('')}`
}

function jsonIn(body: Uint8Array, wrapped: boolean): JsonObject | undefined {
  try {
    const parsed = parseJson(body)
    const value = wrapped && Array.isArray(parsed) ? (parsed as readonly JsonValue[])[1] : parsed
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}
