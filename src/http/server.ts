import { setMaxListeners } from 'node:events'
import { rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify'
import type { App } from '../app.ts'
import { contentTypeOf } from '../core/content-headers.ts'
import type { ServerName } from '../core/ids.ts'
import type { JsonValue } from '../core/json.ts'
import { LongText } from '../core/long-text.ts'
import { MatrixError, userSuspended } from '../core/matrix-error.ts'
import { UnstorableText } from '../db/errors.ts'
import type { Appservice } from '../live/appservices.ts'
import { authenticate, authenticateAppservice } from './authenticate.ts'
import { appserviceAsking } from './authenticate-appservice.ts'
import { authenticateServer } from './authenticate-server.ts'
import { budgetOf } from './budget.ts'
import type { AnyEndpoint, Endpoint, Requester } from './endpoint.ts'
import { ENDPOINTS } from './endpoints.ts'
import { sendError } from './errors.ts'
import { longReply } from './long-reply.ts'
import { OLDER_PATHS } from './older-paths.ts'
import { endSilentConnections } from './silent-connections.ts'
import { endSlowRequests } from './slow-requests.ts'
import { MAY_BE_EMPTY, unknownPath, unknownRequest } from './unknown-request.ts'
import { readBody, readJson, readTexts } from './validate.ts'

export interface ListenOptions {
  readonly http?: { readonly host: string; readonly port: number } | undefined
  readonly https?:
    | { readonly host: string; readonly port: number; readonly cert: string | Buffer; readonly key: string | Buffer }
    | undefined
  readonly unixSocket?: string | undefined
}

export interface Server {
  readonly addresses: readonly string[]
  /** Ends long polls, lets other requests finish, closes the ports. */
  stop(): Promise<void>
}

/** Bodies of other servers: an event, an invite with what shows the room, keys of a thousand users. */
const SERVER_BODY_BYTES = 1_024 * 1_024
/** Bodies of users: an event of 64 KiB may be written with escapes and spaces. */
const USER_BODY_BYTES = 256 * 1_024
/** Bodies of whoever comes. */
const ANYBODY_BODY_BYTES = 64 * 1_024
/** An id has up to 255 bytes, each up to three characters in a path. */
const PARAM_LIMIT = 1_024
const HEADERS_TIMEOUT_MS = 20_000
const KEEP_ALIVE_MS = 72_000

/** Opens the ports. Errors: those of listening, such as a port in use (EADDRINUSE). */
export async function startServer(app: App, listen: ListenOptions): Promise<Server> {
  const stopping = new AbortController()
  // Every request under way listens.
  setMaxListeners(0, stopping.signal)
  const servers: FastifyInstance[] = []
  const addresses: string[] = []
  try {
    if (listen.http !== undefined) {
      const server = buildServer(app, stopping.signal, {})
      servers.push(server)
      addresses.push(await server.listen(listen.http))
    }
    if (listen.https !== undefined) {
      const { cert, key, host, port } = listen.https
      const server = buildServer(app, stopping.signal, { https: { cert, key } })
      servers.push(server)
      addresses.push(await server.listen({ host, port }))
    }
    if (listen.unixSocket !== undefined) {
      await rm(listen.unixSocket, { force: true })
      const server = buildServer(app, stopping.signal, {})
      servers.push(server)
      addresses.push(await server.listen({ path: listen.unixSocket }))
    }
  } catch (error) {
    await Promise.all(servers.map((server) => server.close()))
    throw error
  }
  return {
    addresses,
    async stop() {
      stopping.abort()
      await Promise.all(servers.map((server) => server.close()))
    },
  }
}

type SendDone = (error: Error | null, payload: unknown) => void

/** All endpoints, without a port. */
export function buildServer(app: App, stopping: AbortSignal, transport: object): FastifyInstance {
  const server = fastify({
    ...transport,
    bodyLimit: ANYBODY_BODY_BYTES,
    trustProxy: [...app.config.http.trusted_proxies],
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    clientErrorHandler: refuseUnread,
    frameworkErrors: (error, request, reply) => report(app, error, request, reply),
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
    routerOptions: { caseSensitive: true, ignoreTrailingSlash: false, maxParamLength: PARAM_LIMIT },
  }) as unknown as FastifyInstance
  endSilentConnections(server.server, 'https' in transport, stopping)
  // Bodies arrive as bytes: Fastify's own parser changes numbers and refuses legal keys.
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  server.addHook('onRequest', endSlowRequests(app.timers, isStreamed))
  server.addHook('onRequest', allowOrigins)
  server.addHook('onSend', plainJson)
  // A connection that is kept for more requests would keep a server that stops from its end.
  server.addHook('onSend', (_request, reply, payload, done) => {
    if (stopping.aborted) reply.header('Connection', 'close')
    done(null, payload)
  })
  server.setErrorHandler((error, request, reply) => report(app, error, request, reply))
  server.setNotFoundHandler(unknownRequest(route(app, server, stopping)))
  return server
}

function report(app: App, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { statusCode } = error as { statusCode?: unknown }
  const known = error instanceof MatrixError || error instanceof UnstorableText
  const refused = known || (typeof statusCode === 'number' && statusCode < 500)
  if (!refused)
    app.log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'a request failed')
  return sendError(error, request, reply)
}

/** What is no HTTP, or has too long headers, or takes too long with them, never becomes a request. */
function refuseUnread(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const status = UNREAD_STATUS.get(error.code ?? '') ?? '400 Bad Request'
  const body = '{"errcode":"M_UNKNOWN","error":"The request cannot be read."}'
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`
  socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`)
}

const UNREAD_STATUS: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
])

/** Client-Server API, "Web browser clients". */
function allowOrigins(request: FastifyRequest, reply: FastifyReply, done: () => void): void {
  reply.header('Access-Control-Allow-Origin', '*')
  reply.header('Access-Control-Allow-Methods', 'GET, POST, PUT, DELETE, OPTIONS')
  reply.header('Access-Control-Allow-Headers', 'X-Requested-With, Content-Type, Authorization')
  if (request.method === 'OPTIONS') void reply.code(200).send('{}')
  else done()
}

/** JSON has no parameter `charset` (RFC 8259 section 11). Fastify adds one; some clients compare the whole value. */
function plainJson(_request: FastifyRequest, reply: FastifyReply, payload: unknown, done: SendDone): void {
  if (String(reply.getHeader('Content-Type')).startsWith('application/json')) {
    reply.header('Content-Type', 'application/json')
  }
  done(null, payload)
}

/** The paths that are served now. */
function route(app: App, server: FastifyInstance, stopping: AbortSignal): Set<string> {
  const urls = new Set<string>()
  for (const spec of ENDPOINTS.filter(({ when }) => when?.(app.config) ?? true)) {
    for (const url of urlsOf(spec)) {
      const handler = needEnd(url, handlerOf(app, spec as unknown as Endpoint, stopping))
      const route = {
        method: spec.method,
        url,
        bodyLimit: bodyLimitOf(spec),
        handler,
        config: { streamed: spec.streamed },
      }
      if (spec.streamed === true) void server.register(async (scope) => streamed(scope).route(route))
      else server.route(route)
      urls.add(url)
    }
  }
  return urls
}

function isStreamed({ routeOptions }: FastifyRequest): boolean {
  return (routeOptions.config as { readonly streamed?: boolean } | undefined)?.streamed === true
}

/** A place for routes whose bodies nobody reads before them. */
function streamed(scope: FastifyInstance): FastifyInstance {
  scope.removeAllContentTypeParsers()
  // Fastify would refuse types that are written in other ways.
  scope.addHook('onRequest', (request, _reply, done) => {
    request.raw.headers['content-type'] = contentTypeOf(request.headers['content-type'])
    done()
  })
  scope.addContentTypeParser('*', (_request, body, done) => done(null, body))
  return scope
}

function bodyLimitOf(spec: AnyEndpoint): number {
  if (spec.bodyLimitBytes !== undefined) return spec.bodyLimitBytes
  if (spec.auth === 'federation-signature') return SERVER_BODY_BYTES
  return spec.auth === 'none' ? ANYBODY_BODY_BYTES : USER_BODY_BYTES
}

/** The path of the specification, with older version segments too, and its older names, in Fastify's spelling. */
function urlsOf({ method, path, aliases = [] }: AnyEndpoint): string[] {
  const versions = aliases.map((version) => path.replace(/\/(v\d+)\//, `/${version}/`))
  const older = OLDER_PATHS.get(`${method} ${path}`) ?? []
  return [path, ...versions, ...older].map((one) => one.replace(/\{(\w+)\}/g, ':$1'))
}

interface Identified {
  readonly user?: Requester | undefined
  readonly origin?: ServerName
  readonly content?: JsonValue | undefined
  readonly appservice?: Appservice | undefined
}

/** Who asks: a user, an application service, or another server, whose signature covers the body too. */
async function callerOf(app: App, spec: Endpoint, request: FastifyRequest): Promise<Identified> {
  if (spec.auth === 'appservice-token') return { appservice: await authenticateAppservice(app, request) }
  if (spec.auth === 'none') return { appservice: appserviceAsking(app, request) }
  if (spec.auth !== 'federation-signature') return { user: await authenticate(app, spec, request) }
  const content = readJson(request.body)
  return { origin: await authenticateServer(app, request, content), content }
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>

/** A path that ends in a parameter is unknown where nothing stands in its place: `/devices/` is no device. */
function needEnd(url: string, handle: Handler): Handler {
  const [, end] = /:(\w+)$/.exec(url) ?? []
  if (end === undefined || MAY_BE_EMPTY.has(end)) return handle
  return async (request, reply) => {
    if ((request.params as Record<string, string>)[end] === '') throw unknownPath()
    return handle(request, reply)
  }
}

function handlerOf(app: App, spec: Endpoint, stopping: AbortSignal): Handler {
  return async (request, reply) => {
    const caller = await callerOf(app, spec, request)
    const { user } = caller
    if (user?.guest === true && spec.guest !== true) {
      throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'Guests may not do this.')
    }
    if (user?.suspended === true && spec.suspended === 'refused') throw userSuspended()
    const budget = spec.rateLimit === undefined ? undefined : budgetOf(caller, request.ip)
    if (budget !== undefined) app.live.rateLimiter.check(budget, spec.rateLimit ?? 'other')
    const result = await spec.handle(app, {
      ...caller,
      params: spec.params && readTexts(spec.params, request.params),
      query: spec.query && readTexts(spec.query, request.query),
      body: spec.body && readBody(spec.body, request.body, spec.anyNumber),
      ip: request.ip,
      raw: request,
      reply,
      get signal() {
        return signalOf(reply, stopping)
      },
    } as never)
    if (reply.sent) return reply
    return reply.header('Content-Type', 'application/json').send(textOf(result))
  }
}

/** Views answer with JSON text that they spliced themselves. */
function textOf(result: unknown): string | Readable {
  if (result instanceof LongText) return longReply(result)
  return typeof result === 'string' ? result : JSON.stringify(result)
}

/** Aborted when the client hangs up or the server stops. Made when it is asked for: only what waits needs it. */
function signalOf(reply: FastifyReply, stopping: AbortSignal): AbortSignal {
  const ended = new AbortController()
  const end = () => ended.abort()
  if (stopping.aborted || reply.raw.destroyed) end()
  stopping.addEventListener('abort', end, { once: true })
  reply.raw.once('close', () => {
    stopping.removeEventListener('abort', end)
    if (!reply.raw.writableFinished) end()
  })
  return ended.signal
}
