import ipaddr from 'ipaddr.js'
import type { ServerName } from '../core/ids.ts'
import type { Appservice } from '../live/appservices.ts'
import type { Requester } from './endpoint.ts'

/** Longest text taken for an address: a proxy hands on whatever a client wrote. */
const ADDRESS_LENGTH_MAX = 64
/** Groups of 16 bits: whoever has one address of version 6 has the other 2^64 of its network. */
const NETWORK_GROUPS = 4

/** Who asks, as far as it is known. */
interface Caller {
  readonly user?: Requester | undefined
  readonly origin?: ServerName | undefined
  /** That asks in its own name, or for users that there are not yet. */
  readonly appservice?: Appservice | undefined
}

/**
 * Whose budget a request is counted against; undefined: nobody's, as for administrators and application services. The
 * ghosts of these have budgets where the registration says so.
 */
export function budgetOf({ user, origin, appservice }: Caller, ip: string): string | undefined {
  if (user?.admin === true || appservice !== undefined) return undefined
  const speaker = user?.appservice
  if (speaker !== undefined && (!speaker.rateLimited || user?.userId === speaker.senderId)) return undefined
  return user?.userId ?? origin ?? networkOf(ip)
}

export function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip.slice(0, ADDRESS_LENGTH_MAX)
  const address = ipaddr.process(ip)
  return 'parts' in address ? `${address.parts.slice(0, NETWORK_GROUPS).join(':')}::/64` : address.toString()
}
