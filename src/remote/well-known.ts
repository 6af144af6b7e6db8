import { LRUCache } from 'lru-cache'
import type { ServerName } from '../core/ids.ts'
import { parseJson } from '../core/json.ts'
import type { Clock } from '../live/time.ts'
import { delegatedName } from './discovery.ts'
import type { Outbound, OutboundReply } from './outbound.ts'

const BYTES_MAX = 51_200
const TIMEOUT_MS = 10_000
const REDIRECTS_MAX = 5
const ENTRIES_MAX = 10_000
/** How long an answer is believed (Server-Server API, "Resolving server names", step 3). */
const DEFAULT_AGE_MS = 24 * 3_600_000
const MAX_AGE_MS = 48 * 3_600_000
const FAILED_AGE_MS = 3_600_000

export interface WellKnown {
  /** The name that the host delegates to, or undefined: none, or none that can be read. Answers are cached. */
  delegation(host: string): Promise<ServerName | undefined>
}

export function createWellKnown(outbound: Pick<Outbound, 'request'>, clock: Clock): WellKnown {
  const known = new LRUCache<string, { readonly name: ServerName | undefined; readonly until: number }>({
    max: ENTRIES_MAX,
  })
  const asking = new Map<string, Promise<ServerName | undefined>>()

  async function fetchName(host: string): Promise<ServerName | undefined> {
    const reply = await follow(outbound, host)
    const name = reply === undefined ? undefined : nameIn(reply)
    const age = name === undefined ? FAILED_AGE_MS : ageOf(reply!, clock.now())
    known.set(host, { name, until: clock.now() + age })
    return name
  }

  return {
    delegation(host) {
      const entry = known.get(host)
      if (entry !== undefined && entry.until > clock.now()) return Promise.resolve(entry.name)
      const running = asking.get(host) ?? fetchName(host).finally(() => asking.delete(host))
      asking.set(host, running)
      return running
    },
  }
}

async function follow(outbound: Pick<Outbound, 'request'>, host: string): Promise<OutboundReply | undefined> {
  let url = new URL(`https://${host}/.well-known/matrix/server`)
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const reply = await outbound
      .request({
        method: 'GET',
        origin: url.origin,
        path: url.pathname + url.search,
        timeoutMs: TIMEOUT_MS,
        maxBytes: BYTES_MAX,
      })
      .catch(() => undefined)
    if (reply === undefined || reply.status === 200) return reply
    const location = reply.headers.location
    if (reply.status < 300 || reply.status >= 400 || typeof location !== 'string') return undefined
    if (!URL.canParse(location, url.href)) return undefined
    url = new URL(location, url.href)
    if (url.protocol !== 'https:') return undefined
  }
  return undefined
}

function nameIn(reply: OutboundReply): ServerName | undefined {
  try {
    return delegatedName(parseJson(reply.body))
  } catch {
    return undefined
  }
}

function ageOf(reply: OutboundReply, now: number): number {
  const control = reply.headers['cache-control']
  const maxAge = typeof control === 'string' ? /(?:^|[\s,])max-age=([0-9]{1,9})/.exec(control)?.[1] : undefined
  const expires = reply.headers.expires
  const until = typeof expires === 'string' ? Date.parse(expires) : Number.NaN
  if (maxAge !== undefined) return Math.min(Number(maxAge) * 1_000, MAX_AGE_MS)
  return Number.isNaN(until) ? DEFAULT_AGE_MS : Math.min(Math.max(until - now, 0), MAX_AGE_MS)
}
