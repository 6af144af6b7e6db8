import { Agent, type IncomingMessage, request } from 'node:http'
import type { ServerName } from '../../src/core/ids.ts'
import { type JsonValue, parseJson } from '../../src/core/json.ts'
import { authorizationHeader } from '../../src/core/sign.ts'
import type { AnyEndpoint } from '../../src/http/endpoint.ts'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import type { TestServer } from '../helpers/server.ts'
import { type Chance, chanceFrom } from './random.ts'
import type { Scene } from './scene.ts'
import { jsonOf, queryOf, shapeOf, textFor } from './shapes.ts'
import { anyJson, BODIES, encoded, hostileParameter } from './values.ts'

export interface HostileRequest {
  readonly route: string
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | undefined
}

export interface Answered {
  /** undefined: none in time. */
  readonly status: number | undefined
  readonly text: string
}

/** Whoever calls these may lose the session. */
export const ENDS_SESSIONS = /logout|deactivate|account\/password|devices|refresh/

const AUTHORIZATIONS = [
  '',
  'Bearer',
  'Bearer ',
  'Bearer %',
  'Bearer \xff\xfe',
  'Bearer a b',
  'Basic eDp5',
  'X-Matrix',
  'X-Matrix a',
]
const CONTENT_TYPES = [
  'text/plain',
  'application/json; charset=utf-16',
  'multipart/form-data; boundary=x',
  'x',
  'image/png',
]

/** The n-th request of a seed: to any endpoint, by anybody, in any state of disorder. */
export function hostileRequest(seed: number, n: number, endpoint: AnyEndpoint, scene: Scene): HostileRequest {
  const chance = chanceFrom(seed * 1_000_003 + n)
  const { method } = endpoint
  const shape = shapeOf(endpoint)
  const path = endpoint.path.replace(/\{(\w+)\}/g, (_whole, name: string) =>
    chance.happens(chance.hostility)
      ? hostileParameter(chance)
      : encoded(textFor(chance, scene.texts, name).slice(0, 2_000)),
  )
  const uri = `${path}${chance.happens(0.7) ? queryOf(chance, shape.query, scene.texts) : ''}`
  const body = method === 'GET' && chance.happens(0.95) ? undefined : bodyOf(chance, shape.body, scene)
  return {
    route: `${method} ${endpoint.path}`,
    method,
    path: uri,
    headers: headersOf(chance, endpoint, scene, uri, body),
    body,
  }
}

function bodyOf(chance: Chance, shape: Parameters<typeof jsonOf>[1], scene: Scene): string | Uint8Array {
  if (chance.happens(0.1)) return chance.pick(BODIES)
  if (shape === undefined || chance.happens(0.15)) return anyJson(chance)
  return jsonOf(chance, shape, scene.texts)
}

function headersOf(
  chance: Chance,
  { auth, method }: AnyEndpoint,
  scene: Scene,
  uri: string,
  body: string | Uint8Array | undefined,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (body !== undefined)
    headers['Content-Type'] = chance.happens(0.9) ? 'application/json' : chance.pick(CONTENT_TYPES)
  if (chance.happens(0.05))
    headers['X-Forwarded-For'] = chance.pick(['1.2.3.4', ',,,', '::', 'x'.repeat(9_000), '%', '"'])
  if (chance.happens(0.08)) headers.Authorization = chance.pick(AUTHORIZATIONS)
  else if (auth === 'federation-signature') headers.Authorization = signed(scene, method, uri, body)
  else if (auth !== 'none' || chance.happens(0.1))
    headers.Authorization = `Bearer ${ENDS_SESSIONS.test(uri) ? scene.spare : chance.pick(scene.tokens)}`
  return headers
}

/** As the other server of the scene would sign it; what is no JSON cannot be signed, and is sent as if it were none. */
function signed({ peer, server }: Scene, method: string, uri: string, body: string | Uint8Array | undefined): string {
  const question = { method, uri, origin: peer.app.serverName, destination: server.app.serverName as ServerName }
  try {
    const content = body === undefined || body.length === 0 ? undefined : (parseJson(body) as JsonValue)
    return authorizationHeader({ ...question, content }, peer.app.key)
  } catch {
    return authorizationHeader({ ...question, content: undefined }, peer.app.key)
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 })

/** Sends it and reads the answer, for `patienceMs` at the most. */
export function answerTo(server: TestServer, hostile: HostileRequest, patienceMs: number): Promise<Answered> {
  const { method, path, headers, body } = hostile
  const { hostname: host, port } = new URL(server.url)
  const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, method, path, headers: { ...headers, ...length }, agent })
    const timer = setTimeout(() => {
      sent.destroy()
      resolve({ status: undefined, text: '' })
    }, patienceMs)
    const end = (answered: Answered) => {
      clearTimeout(timer)
      resolve(answered)
    }
    sent.on('response', (reply: IncomingMessage) => {
      const chunks: Buffer[] = []
      reply.on('data', (chunk: Buffer) => chunks.push(chunk))
      reply.on('error', () => end({ status: reply.statusCode, text: '' }))
      reply.on('end', () => end({ status: reply.statusCode, text: Buffer.concat(chunks).toString('utf8') }))
    })
    sent.on('error', (error: NodeJS.ErrnoException) => {
      // A server that refuses a body hangs up before it is sent.
      if (error.code === 'EPIPE' || error.code === 'ECONNRESET') return end({ status: 413, text: '' })
      clearTimeout(timer)
      reject(error)
    })
    sent.end(body)
  })
}

export const ROUTES: readonly AnyEndpoint[] = ENDPOINTS
