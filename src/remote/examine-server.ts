import { isIP } from 'node:net'
import type { ServerName } from '../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from '../core/json.ts'
import { readServerKeys } from '../core/server-keys.ts'
import type { Clock } from '../live/time.ts'
import { type Directories, type ServerAddress, type SrvRecord, serverAddresses } from './discovery.ts'
import { type Certificate, certificateOf } from './examine-tls.ts'
import type { Names } from './names.ts'
import type { Outbound } from './outbound.ts'

/** What is seen of a server from here, in the order in which other servers look. */
export interface Examination {
  readonly serverName: ServerName
  /** Undefined: the name needs no `.well-known`. `server`: the name delegated to. */
  readonly wellKnown: { readonly host: string; readonly server: ServerName | undefined } | undefined
  /** Names whose SRV records were asked for. `records` undefined: DNS failed. */
  readonly srv: readonly { readonly name: string; readonly records: readonly SrvRecord[] | undefined }[]
  readonly connections: readonly Connection[]
}

/** One address on which the server may be reached. */
export interface Connection {
  readonly address: ServerAddress
  /** The IP address that was connected to; undefined: the host has none. */
  readonly ip: string | undefined
  readonly certificate?: Certificate
  /** Name and version of the program. */
  readonly software?: string
  readonly keys?: readonly {
    readonly keyId: string
    readonly validUntilTs: number | null
    readonly expiredTs: number | null
  }[]
  /** What is wrong with it, as sentences. */
  readonly faults: readonly string[]
  /** Whether anything answered. */
  readonly reached: boolean
}

export interface Means {
  /** One that takes any certificate: those that are wrong are reported, and the rest is still looked at. */
  readonly outbound: Outbound
  readonly directories: Directories
  readonly names: Names
  readonly clock: Clock
}

const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 1_048_576
/** Addresses looked at. */
const CONNECTIONS_MAX = 20

/**
 * Looks at a server as others do before they speak with it (Server-Server API, "Resolving server names", "Publishing
 * Keys"): each of its addresses, the certificate there, the version, and whether its keys are signed.
 */
export async function examineServer(serverName: ServerName, means: Means): Promise<Examination> {
  let wellKnown: Examination['wellKnown']
  const srv: { name: string; records: readonly SrvRecord[] | undefined }[] = []
  const addresses = await serverAddresses(serverName, {
    async wellKnown(host) {
      const server = await means.directories.wellKnown(host)
      wellKnown = { host, server }
      return server
    },
    async srv(name) {
      const records = await means.directories.srv(name)
      srv.push({ name, records })
      return records
    },
  })
  const found = await Promise.all(addresses.map((address) => ipsOf(address, means.names)))
  const targets = found.flat().slice(0, CONNECTIONS_MAX)
  const connections = await Promise.all(targets.map((target) => examineConnection(serverName, target, means)))
  return { serverName, wellKnown, srv, connections }
}

interface Target {
  readonly address: ServerAddress
  readonly ip: string | undefined
}

async function ipsOf(address: ServerAddress, names: Names): Promise<Target[]> {
  const host = address.host.replace(/^\[|\]$/g, '')
  if (isIP(host) !== 0) return [{ address, ip: host }]
  const found = await names.addresses(host).catch(() => [])
  return found.length === 0 ? [{ address, ip: undefined }] : found.map(({ address: ip }) => ({ address, ip }))
}

async function examineConnection(serverName: ServerName, target: Target, means: Means): Promise<Connection> {
  const { address, ip } = target
  if (ip === undefined) return { ...target, faults: [`${address.host} has no address.`], reached: false }
  const name = address.hostHeader.replace(/:[0-9]{1,5}$/, '').replace(/^\[|\]$/g, '')
  const certificate = await certificateOf(ip, address.port, name, TIMEOUT_MS).catch((error: Error) => error)
  if (certificate instanceof Error) return { ...target, faults: [`No TLS: ${certificate.message}.`], reached: false }
  const ask = (path: string) => askAt(target, path, means.outbound)
  const version = await ask('/_matrix/federation/v1/version')
  const answer = await ask('/_matrix/key/v2/server')
  const keys = answer instanceof Error ? undefined : readServerKeys(answer, serverName, means.clock.now())
  const software = version instanceof Error ? undefined : softwareIn(version)
  return {
    ...target,
    certificate,
    ...(software === undefined ? {} : { software }),
    ...(keys === undefined
      ? {}
      : { keys: keys.map(({ keyId, validUntilTs, expiredTs }) => ({ keyId, validUntilTs, expiredTs })) }),
    faults: [
      ...(certificate.fault === undefined ? [] : [`The certificate does not hold: ${certificate.fault}.`]),
      ...(version instanceof Error ? [`No version: ${version.message}.`] : []),
      ...keyFaults(answer, keys, means.clock.now()),
    ],
    reached: true,
  }
}

function keyFaults(answer: JsonObject | Error, keys: ReturnType<typeof readServerKeys>, nowMs: number): string[] {
  if (answer instanceof Error) return [`No keys: ${answer.message}.`]
  if (keys === undefined) return ['The keys are not those of this server, or none of them signs the answer.']
  const current = keys.filter((key) => key.expiredTs === null)
  return current.every((key) => (key.validUntilTs ?? 0) < nowMs) ? ['The keys are valid no more.'] : []
}

/** The JSON object at a path, or why there is none. */
async function askAt({ address, ip = '' }: Target, path: string, outbound: Outbound): Promise<JsonObject | Error> {
  const host = isIP(ip) === 6 ? `[${ip}]` : ip
  try {
    const reply = await outbound.request({
      method: 'GET',
      origin: `https://${host}:${address.port}`,
      path,
      headers: { host: address.hostHeader },
      timeoutMs: TIMEOUT_MS,
      maxBytes: ANSWER_BYTES_MAX,
    })
    if (reply.status !== 200) return new Error(`${path} answers with status ${reply.status}`)
    const body: JsonValue = parseJson(reply.body)
    return isObject(body) ? body : new Error(`${path} answers without a JSON object`)
  } catch (error) {
    return error as Error
  }
}

function softwareIn(version: JsonObject): string | undefined {
  const server = own(version, 'server')
  if (!isObject(server)) return undefined
  const words = [own(server, 'name'), own(server, 'version')].filter((word) => typeof word === 'string')
  return words.join(' ').slice(0, 200) || undefined
}
