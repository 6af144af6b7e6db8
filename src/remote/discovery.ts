import { isIP } from 'node:net'
import { isServerName, type ServerName } from '../core/ids.ts'

/** Where a server may be reached: tried in this order. */
export interface ServerAddress {
  /** A host name or an IP literal; IPv6 in brackets. */
  readonly host: string
  readonly port: number
  /** The Host header; without its port it is also the name on the certificate. */
  readonly hostHeader: string
}

export interface SrvRecord {
  readonly name: string
  readonly port: number
  readonly priority: number
  readonly weight: number
}

/** What discovery asks the world. */
export interface Directories {
  /** `m.server` of the host's `/.well-known/matrix/server`, or undefined if it has none that can be used. */
  wellKnown(host: string): Promise<ServerName | undefined>
  /** The records of the name; empty if there are none, undefined if DNS failed. */
  srv(name: string): Promise<readonly SrvRecord[] | undefined>
}

export const FEDERATION_PORT = 8448
/** Of a service: each is waited for, and a thousand that lead nowhere would take hours. */
const RECORDS_MAX = 4

/**
 * The addresses of a server (Server-Server API, "Resolving server names"): a literal or a port is final, then
 * `.well-known`, then SRV records of the new and of the old service, then port 8448.
 */
export async function serverAddresses(serverName: ServerName, ask: Directories): Promise<readonly ServerAddress[]> {
  const { host, port } = splitServerName(serverName)
  // 1, 2: an IP literal, or an explicit port.
  if (isLiteral(host) || port !== undefined) return [addressOf(serverName)]
  // 3: delegation by .well-known.
  const delegated = await ask.wellKnown(host)
  if (delegated === undefined) return byDns(host, ask)
  const target = splitServerName(delegated)
  // 3.1, 3.2: the delegated name is a literal, or has a port.
  if (isLiteral(target.host) || target.port !== undefined) return [addressOf(delegated)]
  // 3.3 to 3.5: its records.
  return byDns(target.host, ask)
}

/** Host and port of a server name, brackets kept. */
export function splitServerName(name: ServerName): { readonly host: string; readonly port: number | undefined } {
  const match = /^(.*?)(?::([0-9]{1,5}))?$/.exec(name)
  const [, host = name, port] = name.endsWith(']') ? [name, name] : (match ?? [])
  return { host, port: port === undefined ? undefined : Number(port) }
}

/** `m.server` in the body of a `.well-known`, or undefined. */
export function delegatedName(body: unknown): ServerName | undefined {
  const name = (body as { 'm.server'?: unknown } | null)?.['m.server']
  return typeof name === 'string' && isServerName(name) ? name : undefined
}

/** 4, 5, 6 (and 3.3 to 3.5): SRV records, `_matrix-fed` before the deprecated `_matrix`; otherwise port 8448. */
async function byDns(host: string, ask: Directories): Promise<readonly ServerAddress[]> {
  for (const service of ['_matrix-fed._tcp', '_matrix._tcp']) {
    const records = await ask.srv(`${service}.${host}`)
    if (records === undefined || records.length === 0) continue
    return (
      [...records]
        // A target of "." says that the service is decidedly not there.
        .filter((record) => record.name !== '' && record.name !== '.')
        .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
        .slice(0, RECORDS_MAX)
        .map((record) => ({ host: record.name, port: record.port, hostHeader: host }))
    )
  }
  return [{ host, port: FEDERATION_PORT, hostHeader: host }]
}

function addressOf(name: ServerName): ServerAddress {
  const { host, port } = splitServerName(name)
  return { host, port: port ?? FEDERATION_PORT, hostHeader: name }
}

function isLiteral(host: string): boolean {
  return host.startsWith('[') || isIP(host) === 4
}
