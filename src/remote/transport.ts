import { LRUCache } from 'lru-cache'
import type { ServerName } from '../core/ids.ts'
import type { Clock } from '../live/time.ts'
import { type Directories, type ServerAddress, serverAddresses } from './discovery.ts'
import {
  type IncomingReply,
  type Outbound,
  type OutboundReply,
  type OutboundRequest,
  Unreachable,
  whole,
} from './outbound.ts'
import { createWellKnown } from './well-known.ts'

/** One request to another homeserver, headers and all. */
export interface ServerRequest {
  readonly destination: ServerName
  readonly method: string
  /** Path and query. */
  readonly uri: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  readonly timeoutMs: number
  readonly silenceMs?: number | undefined
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

/** `headers` may be left out where nobody asks for them. */
export type ServerReply = Pick<OutboundReply, 'status' | 'body'> & Partial<Pick<OutboundReply, 'headers'>>

/** How servers are reached. A simulation puts a network of its own in its place. */
export interface Transport {
  /** Resolves with the answer, whatever its status. Errors: Unreachable. */
  send(request: ServerRequest): Promise<ServerReply>
  /** The same for an answer that is read as it comes. Errors: also those of `read`. */
  receive<T>(request: ServerRequest, read: (reply: IncomingReply) => Promise<T>): Promise<T>
}

/** Addresses of a server are asked for again after this time. */
const ADDRESSES_AGE_MS = 300_000
const ADDRESSES_MAX = 10_000

/** Finds the server by its name and asks it over HTTPS, at one address after the other. */
export function createTransport(outbound: Outbound, clock: Clock, srv: Directories['srv']): Transport {
  const wellKnown = createWellKnown(outbound, clock)
  const directories: Directories = { wellKnown: (host) => wellKnown.delegation(host), srv }
  const known = new LRUCache<ServerName, { readonly addresses: readonly ServerAddress[]; readonly until: number }>({
    max: ADDRESSES_MAX,
  })

  async function addressesOf(server: ServerName): Promise<readonly ServerAddress[]> {
    const entry = known.get(server)
    if (entry !== undefined && entry.until > clock.now()) return entry.addresses
    const addresses = await serverAddresses(server, directories)
    known.set(server, { addresses, until: clock.now() + ADDRESSES_AGE_MS })
    return addresses
  }

  async function receive<T>(request: ServerRequest, read: (reply: IncomingReply) => Promise<T>): Promise<T> {
    let failure = new Unreachable(`${request.destination} has no address`)
    let answered = false
    for (const address of await addressesOf(request.destination)) {
      try {
        return await outbound.receive(requestAt(address, request), (reply) => {
          answered = true
          return read(reply)
        })
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error
        failure = error
        // What was read of an answer is not read twice.
        if (answered || request.signal?.aborted === true) break
      }
    }
    known.delete(request.destination)
    throw failure
  }

  return { send: (request) => receive(request, whole), receive }
}

function requestAt(address: ServerAddress, { destination, uri, headers, ...request }: ServerRequest): OutboundRequest {
  const origin = `https://${address.host}:${address.port}`
  if (!URL.canParse(origin)) throw new Unreachable(`${destination} is at "${origin}", which is no address`)
  return { ...request, origin, path: uri, headers: { ...headers, host: address.hostHeader } }
}
