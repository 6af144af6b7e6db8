import ipaddr from 'ipaddr.js'
import type { ServerName } from '../core/ids.ts'
import type { Requester } from './endpoint.ts'

/** Longest text taken for an address: a proxy hands on whatever a client wrote. */
const ADDRESS_LENGTH_MAX = 64
/** Groups of 16 bits: whoever has one address of version 6 has the other 2^64 of its network. */
const NETWORK_GROUPS = 4

/** Whose budget a request is counted against; undefined: nobody's, as for administrators. */
export function budgetOf(user: Requester | undefined, origin: ServerName | undefined, ip: string): string | undefined {
  if (user?.admin === true) return undefined
  return user?.userId ?? origin ?? networkOf(ip)
}

export function networkOf(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip.slice(0, ADDRESS_LENGTH_MAX)
  const address = ipaddr.process(ip)
  return 'parts' in address ? `${address.parts.slice(0, NETWORK_GROUPS).join(':')}::/64` : address.toString()
}
