import { globMatches } from './glob.ts'
import { type JsonObject, own } from './json.ts'

const PORT = /:[0-9]{1,5}$/
const IPV4_LITERAL = /^[0-9]{1,3}(\.[0-9]{1,3}){3}$/

/**
 * Whether a room's `m.room.server_acl` lets this server take part (Client-Server API, "Server Access Control Lists").
 * Without such an event every server may; with one that allows nobody, or is malformed, none may. Matching is
 * without regard to case and to the port. The work is bounded by the size of the event times that of the server name.
 */
export function serverAllowed(aclContent: JsonObject | undefined, server: string): boolean {
  if (aclContent === undefined) return true
  const host = server.replace(PORT, '')
  if (own(aclContent, 'allow_ip_literals') === false && isIpLiteral(host)) return false
  return !matchesAny(aclContent, 'deny', host) && matchesAny(aclContent, 'allow', host)
}

function isIpLiteral(host: string): boolean {
  return host.startsWith('[') || IPV4_LITERAL.test(host)
}

function matchesAny(aclContent: JsonObject, key: 'allow' | 'deny', host: string): boolean {
  const patterns = own(aclContent, key)
  if (!Array.isArray(patterns)) return false
  return patterns.some((pattern) => typeof pattern === 'string' && globMatches(pattern, host, { ignoreCase: true }))
}
