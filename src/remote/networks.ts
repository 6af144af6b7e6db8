import ipaddr from 'ipaddr.js'

/**
 * Networks that no public server lives in. They are refused besides those that the configuration names, unless it
 * names an empty list: then the administrator wants to reach everything, as on a private network.
 */
const NEVER_PUBLIC = [
  ...['0.0.0.0/8', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '198.18.0.0/15', '198.51.100.0/24'],
  ...['203.0.113.0/24', '224.0.0.0/3', '100::/64', '2001:db8::/32', '3fff::/20', 'fe80::/10', 'fec0::/10', 'ff00::/8'],
  // An IPv4 address stands in these, which may be a private one.
  ...['::/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '2001::/32', '2002::/16'],
]

export interface Networks {
  /** Whether we may connect to the address, an IPv4 or IPv6 literal without brackets. False for anything else. */
  allows(address: string): boolean
}

export const ANYWHERE: Networks = { allows: () => true }

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number]

/** `deny` wins over `allow`, as in the Go Dendrite. Errors: Error for a network that is not one. */
export function createNetworks(deny: readonly string[], allow: readonly string[]): Networks {
  const denied = [...deny, ...(deny.length > 0 ? NEVER_PUBLIC : [])].map(rangeOf)
  const allowed = allow.map(rangeOf)
  return {
    allows(text) {
      if (!ipaddr.isValid(text)) return false
      // An IPv4 address in the clothes of IPv6 is still the IPv4 address.
      const address = ipaddr.process(text)
      return !denied.some((range) => covers(range, address)) && allowed.some((range) => covers(range, address))
    },
  }
}

function rangeOf(network: string): Range {
  try {
    return ipaddr.parseCIDR(network)
  } catch {
    throw new Error(`"${network}" is not a network such as 10.0.0.0/8 or fc00::/7`)
  }
}

function covers([network, bits]: Range, address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return network.kind() === address.kind() && address.match(network, bits)
}
