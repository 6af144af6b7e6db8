import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import { isIP } from 'node:net'
import { createSecureContext } from 'node:tls'
import type { Agent, buildConnector, Dispatcher } from 'undici'
import type { Timers } from '../live/time.ts'
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
  readonly body?: string | undefined
  /** From the first byte sent to the last one received. */
  readonly timeoutMs: number
  /** A longer answer is cut off and refused. */
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

export interface OutboundReply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** The only door to the network. Redirects are not followed. */
export interface Outbound {
  /** Errors: Unreachable, also for networks that are denied, answers too long or too late. */
  request(request: OutboundRequest): Promise<OutboundReply>
  close(): Promise<void>
}

/** The other machine could not be asked, or did not answer as it should. */
export class Unreachable extends Error {
  override readonly name = 'Unreachable'
}

const CONNECT_TIMEOUT_MS = 10_000
const KEEP_ALIVE_MS = 30_000
const CONNECTIONS_PER_HOST = 4
const HEADER_BYTES_MAX = 16_384

export interface OutboundOptions {
  readonly networks: Networks
  readonly timers: Timers
  readonly verifyTls: boolean
  /** A unix socket that everything is sent to, whatever the origin. */
  readonly socketPath?: string
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
      lookup: allowedLookup(options.networks),
      ...(options.socketPath !== undefined && { socketPath: options.socketPath }),
    } as buildConnector.BuildOptions)
    return new undici.Agent({
      connections: CONNECTIONS_PER_HOST,
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

  return {
    async request(request) {
      agent ??= await open()
      return ask(agent, request, options.timers)
    },
    async close() {
      await agent?.destroy()
      agent = undefined
    },
  }
}

async function ask(agent: Agent, request: OutboundRequest, timers: Timers): Promise<OutboundReply> {
  const ended = new AbortController()
  const stopTimer = timers.after(request.timeoutMs, () =>
    ended.abort(new Unreachable(`no answer of ${request.origin} within ${request.timeoutMs} ms`)),
  )
  const hangUp = () => ended.abort(new Unreachable('the request was given up'))
  request.signal?.addEventListener('abort', hangUp, { once: true })
  if (request.signal?.aborted === true) hangUp()
  try {
    const reply = await agent.request({
      origin: request.origin,
      path: request.path,
      method: request.method as Dispatcher.HttpMethod,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal: ended.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    return { status: reply.statusCode, headers: reply.headers, body: await bodyOf(reply, request) }
  } catch (error) {
    const cause = ended.signal.aborted ? ended.signal.reason : error
    if (cause instanceof Unreachable) throw cause
    throw new Unreachable(`${request.origin}: ${(cause as Error).message}`, { cause })
  } finally {
    stopTimer()
    request.signal?.removeEventListener('abort', hangUp)
  }
}

async function bodyOf(reply: Dispatcher.ResponseData, request: OutboundRequest): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of reply.body as AsyncIterable<Buffer>) {
    bytes += chunk.length
    // Leaving the loop destroys the stream, and with it the connection.
    if (bytes > request.maxBytes) throw new Unreachable(`${request.origin} answers with over ${request.maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, bytes)
}

type LookupDone = (error: Error | null, address: string | LookupAddress[], family?: number) => void

/** `dns.lookup` that leaves out the addresses we may not connect to. */
function allowedLookup(networks: Networks) {
  return (hostname: string, options: LookupOptions, done: LookupDone): void => {
    lookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, '')
      const allowed = found.filter(({ address }) => networks.allows(address))
      const [first] = allowed
      if (first === undefined) return done(new Unreachable(`${hostname} is in a network that is denied`), '')
      if (options.all === true) done(null, allowed)
      else done(null, first.address, first.family)
    })
  }
}
