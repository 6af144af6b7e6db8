import type { LookupAddress, LookupOptions } from 'node:dns'
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { createSecureContext } from 'node:tls'
import type { Agent, buildConnector, Dispatcher } from 'undici'
import type { Timers } from '../live/time.ts'
import { createNames, type Names } from './names.ts'
import type { Networks } from './networks.ts'

/** One request to another machine. */
export interface OutboundRequest {
  readonly method: string
  /** `https://host:port`. */
  readonly origin: string
  /** Path and query, sent as they are: signatures cover them. */
  readonly path: string
  /** Lower-case names. `host` also chooses the name that the certificate has to bear. */
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Readable | undefined
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number
  /** A longer silence of the other side ends it too. */
  readonly silenceMs?: number | undefined
  /** A longer answer is cut off and refused. */
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

export interface OutboundReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** An answer whose body is still on its way. */
export interface IncomingReply extends Omit<OutboundReply, 'body'> {
  /** Errors: Unreachable, also when it is too long. */
  readonly body: AsyncIterable<Buffer>
}

/** The only door to the network. Redirects are not followed. */
export interface Outbound {
  /** Errors: Unreachable, also for networks that are denied, answers too long or too late. */
  request(request: OutboundRequest): Promise<OutboundReply>
  /** The answer is read as it comes, and what `read` leaves of it is not waited for. Errors: also those of `read`. */
  receive<T>(request: OutboundRequest, read: (reply: IncomingReply) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** The other machine could not be asked, or did not answer as it should. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

/** It did not answer in time. */
export class Late extends Unreachable {}

const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 30_000
const CONNECTIONS_PER_HOST = 4
const HEADER_BYTES_MAX = 16_384

export interface OutboundOptions {
  readonly networks: Networks
  readonly timers: Timers
  readonly verifyTls: boolean
  /** Who knows the addresses of hosts; the system, where it is left out. */
  readonly names?: Names
  /** A unix socket that everything is sent to, whatever the origin. */
  readonly socketPath?: string
  readonly connectionsPerHost?: number
}

/** Opens connections only to addresses that the networks allow, looked at after DNS, just before connecting. */
export function createOutbound(options: OutboundOptions): Outbound {
  let agent: Agent | undefined

  async function open(): Promise<Agent> {
    // Loaded when first used: a server without federation never needs it.
    const undici = await import('undici')
    const connector = undici.buildConnector({
      rejectUnauthorized: options.verifyTls,
      // One for all connections: each would read the authorities anew.
      secureContext: createSecureContext(),
      timeout: CONNECT_TIMEOUT_MS,
      lookup: allowedLookup(options.names ?? createNames(), options.networks),
      ...(options.socketPath !== undefined && { socketPath: options.socketPath }),
    } as buildConnector.BuildOptions)
    return new undici.Agent({
      connections: options.connectionsPerHost ?? CONNECTIONS_PER_HOST,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      maxHeaderSize: HEADER_BYTES_MAX,
      connect(target, callback) {
        // Literals are not looked up.
        const host = target.hostname.replace(/^\[|\]$/g, '')
        if (isIP(host) !== 0 && !options.networks.allows(host)) {
          return callback(new Unreachable(`${host} is in a network that is denied`), null)
        }
        connector(target, callback)
      },
    })
  }

  async function receive<T>(request: OutboundRequest, read: (reply: IncomingReply) => Promise<T>): Promise<T> {
    agent ??= await open()
    return ask(agent, request, options.timers, read)
  }

  return {
    request: (request) => receive(request, whole),
    receive,
    async close() {
      await agent?.destroy()
      agent = undefined
    },
  }
}

/** All of an answer. */
export async function whole({ body, ...reply }: IncomingReply): Promise<OutboundReply> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk)
  return { ...reply, body: Buffer.concat(chunks) }
}

async function ask<T>(
  agent: Agent,
  request: OutboundRequest,
  timers: Timers,
  read: (reply: IncomingReply) => Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const stopTimer = timers.after(request.timeoutMs, () =>
    ended.abort(new Late(`no answer of ${request.origin} within ${request.timeoutMs} ms`)),
  )
  const hangUp = () => ended.abort(new Unreachable('the request was given up'))
  request.signal?.addEventListener('abort', hangUp, { once: true })
  if (request.signal?.aborted === true) hangUp()
  const unreachable = (error: unknown): Unreachable => {
    const cause = ended.signal.aborted ? ended.signal.reason : error
    if (cause instanceof Unreachable) return cause
    return new Unreachable(`${request.origin}: ${(cause as Error).message}`, { cause })
  }
  try {
    const reply = await begin(agent, request, ended.signal).catch((error: unknown) => {
      throw unreachable(error)
    })
    try {
      return await read({
        status: reply.statusCode,
        headers: reply.headers,
        body: bodyOf(reply, request, unreachable),
      })
    } finally {
      // With what was not read the connection goes; nobody listens any more for how it ends.
      reply.body.on('error', () => undefined).destroy()
    }
  } finally {
    stopTimer()
    request.signal?.removeEventListener('abort', hangUp)
  }
}

function begin(agent: Agent, request: OutboundRequest, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  return agent.request({
    origin: request.origin,
    path: request.path,
    method: request.method as Dispatcher.HttpMethod,
    headers: { ...request.headers },
    body: request.body ?? null,
    signal,
    headersTimeout: request.silenceMs ?? 0,
    bodyTimeout: request.silenceMs ?? 0,
  })
}

async function* bodyOf(
  reply: Dispatcher.ResponseData,
  request: OutboundRequest,
  unreachable: (error: unknown) => Unreachable,
): AsyncGenerator<Buffer> {
  let bytes = 0
  const chunks = (reply.body as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await chunks.next().catch((error: unknown) => {
      throw unreachable(error)
    })
    if (done === true) return
    bytes += value.length
    if (bytes > request.maxBytes) throw new Unreachable(`${request.origin} answers with over ${request.maxBytes} bytes`)
    yield value
  }
}

type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void

/** In the place of `dns.lookup`: leaves out the addresses we may not connect to. */
function allowedLookup(names: Names, networks: Networks) {
  return (hostname: string, options: LookupOptions, done: LookupDone): void => {
    names.addresses(hostname).then(
      (found) => {
        const allowed = found.filter(({ address }) => networks.allows(address))
        const [first] = allowed
        if (first === undefined) return done(new Unreachable(`${hostname} is in a network that is denied`), '')
        if (options.all === true) done(null, allowed)
        else done(null, first.address, first.family)
      },
      (error: Error) => done(error, ''),
    )
  }
}
