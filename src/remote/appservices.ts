import type { Config } from '../config/schema.ts'
import type { Appservice } from '../live/appservices.ts'
import type { Timers } from '../live/time.ts'
import { ANYWHERE } from './networks.ts'
import { createOutbound, type Outbound, type OutboundReply, Unreachable } from './outbound.ts'

export interface AppserviceRequest {
  readonly method: 'GET' | 'PUT' | 'POST'
  /** As the Application Service API has it, from `/_matrix/app/v1/` on. */
  readonly path: `/_matrix/app/v1/${string}`
  readonly query?: Readonly<Record<string, string>>
  /** JSON, sent as it is. */
  readonly body?: string
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal?: AbortSignal | undefined
}

/** The application services, over the network or over unix sockets. */
export interface AppserviceClient {
  /** Any answer of it, whatever the status. Errors: Unreachable, also for one that has no URL. */
  ask(appservice: Appservice, request: AppserviceRequest): Promise<OutboundReply>
  close(): Promise<void>
}

const UNIX = 'unix://'
const V1 = '/_matrix/app/v1'

export function createAppserviceClient(config: Config['app_service_api'], timers: Timers): AppserviceClient {
  const options = { networks: ANYWHERE, timers, verifyTls: !config.disable_tls_validation }
  const outbounds = new Map<string, Outbound>()

  /** Transactions have connections of their own: many who ask for users and rooms do not hold them up. */
  function outboundFor(method: string, socketPath: string | undefined): Outbound {
    const name = `${method === 'PUT' ? 'tell' : 'ask'} ${socketPath ?? ''}`
    const known = outbounds.get(name) ?? createOutbound({ ...options, ...(socketPath !== undefined && { socketPath }) })
    outbounds.set(name, known)
    return known
  }

  return {
    async ask({ id, url, hsToken }, { method, path, query = {}, body, ...limits }) {
      if (url === undefined) throw new Unreachable(`the application service ${id} has no URL`)
      const unix = url.startsWith(UNIX)
      const { origin, pathname } = new URL(unix ? 'http://localhost' : url)
      const parameters = new URLSearchParams({ ...query, ...(config.legacy_auth && { access_token: hsToken }) })
      const written = config.legacy_paths ? olderPath(path) : path
      return outboundFor(method, unix ? url.slice(UNIX.length) : undefined).request({
        ...limits,
        method,
        origin,
        path: `${pathname.replace(/\/+$/, '')}${written}${parameters.size > 0 ? `?${parameters}` : ''}`,
        headers: {
          authorization: `Bearer ${hsToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        body,
      })
    },
    async close() {
      await Promise.all([...outbounds.values()].map((outbound) => outbound.close()))
    },
  }
}

/** Application Service API, "Legacy routes". */
function olderPath(path: string): string {
  const rest = path.slice(V1.length)
  return rest.startsWith('/thirdparty/') ? `/_matrix/app/unstable${rest}` : rest
}
