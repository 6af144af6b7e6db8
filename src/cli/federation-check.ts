import { isServerName } from '../core/ids.ts'
import { systemClock, systemTimers } from '../live/time.ts'
import { type Connection, type Examination, examineServer } from '../remote/examine-server.ts'
import { createNames } from '../remote/names.ts'
import { ANYWHERE } from '../remote/networks.ts'
import { createOutbound } from '../remote/outbound.ts'
import { createWellKnown } from '../remote/well-known.ts'
import { CommandError, EXIT } from './exit-codes.ts'

/** The shape that `--json` prints. Times are in RFC 3339. */
export interface FederationReport {
  readonly server_name: string
  readonly ok: boolean
  /** Whether any address answers. */
  readonly reachable: boolean
  readonly well_known: { readonly host: string; readonly server: string | null } | null
  readonly srv: readonly { readonly name: string; readonly targets: readonly string[] | null }[]
  readonly connections: readonly ConnectionReport[]
}

interface ConnectionReport {
  readonly host: string
  readonly port: number
  readonly host_header: string
  readonly ip: string | null
  readonly certificate: {
    readonly holds: boolean
    readonly subject: string
    readonly issuer: string
    readonly names: readonly string[]
    readonly valid_until: string
    readonly chain: readonly string[]
    readonly protocol: string
  } | null
  readonly software: string | null
  readonly keys: readonly { readonly key_id: string; readonly valid_until?: string; readonly expired_at?: string }[]
  readonly faults: readonly string[]
}

/**
 * `nameServers` as in `federation_api.dns_servers`; none: the system's. Errors: CommandError with exit code 2 for what
 * is no server name.
 */
export async function checkFederation(name: string, nameServers: readonly string[]): Promise<FederationReport> {
  if (!isServerName(name)) {
    const suggestion = 'name a server like example.org, or like localhost:8448'
    throw new CommandError(`"${name}" is not a server name.`, { exit: EXIT.usage, code: 'USAGE', suggestion })
  }
  const names = createNames(nameServers)
  const strict = createOutbound({ networks: ANYWHERE, timers: systemTimers, names, verifyTls: true })
  const lenient = createOutbound({ networks: ANYWHERE, timers: systemTimers, names, verifyTls: false })
  const wellKnown = createWellKnown(strict, systemClock)
  const directories = { wellKnown: (host: string) => wellKnown.delegation(host), srv: names.srv }
  try {
    return reportOf(await examineServer(name, { outbound: lenient, directories, names, clock: systemClock }))
  } finally {
    await Promise.all([strict.close(), lenient.close()])
  }
}

function reportOf({ serverName, wellKnown, srv, connections }: Examination): FederationReport {
  return {
    server_name: serverName,
    ok: connections.length > 0 && connections.every(({ faults }) => faults.length === 0),
    reachable: connections.some(({ reached }) => reached),
    well_known: wellKnown === undefined ? null : { host: wellKnown.host, server: wellKnown.server ?? null },
    srv: srv.map(({ name, records }) => ({
      name,
      targets: records?.map((record) => `${record.name}:${record.port}`) ?? null,
    })),
    connections: connections.map(connectionReport),
  }
}

function connectionReport({ address, ip, certificate, software, keys = [], faults }: Connection): ConnectionReport {
  return {
    host: address.host,
    port: address.port,
    host_header: address.hostHeader,
    ip: ip ?? null,
    certificate:
      certificate === undefined
        ? null
        : {
            holds: certificate.fault === undefined,
            subject: certificate.subject,
            issuer: certificate.issuer,
            names: certificate.names,
            valid_until: timeOf(certificate.validUntilTs),
            chain: certificate.chain,
            protocol: certificate.protocol,
          },
    software: software ?? null,
    keys: keys.map(({ keyId, validUntilTs, expiredTs }) => ({
      key_id: keyId,
      ...(expiredTs === null ? { valid_until: timeOf(validUntilTs ?? 0) } : { expired_at: timeOf(expiredTs) }),
    })),
    faults,
  }
}

/** For a person: where the server is, and a paragraph for each address. */
export function linesOf(report: FederationReport): string[] {
  return [
    `.well-known   ${wellKnownWords(report.well_known)}`,
    ...report.srv.map(({ name, targets }) => `SRV           ${name}: ${targetWords(targets)}`),
    ...report.connections.flatMap(connectionLines),
    `${report.server_name}: ${report.ok ? 'good' : report.reachable ? 'has faults' : 'cannot be reached'}`,
  ]
}

function wellKnownWords(wellKnown: FederationReport['well_known']): string {
  if (wellKnown === null) return 'not needed for this name'
  return `${wellKnown.host} ${wellKnown.server === null ? 'has none' : `delegates to ${wellKnown.server}`}`
}

function targetWords(targets: readonly string[] | null): string {
  if (targets === null) return 'DNS fails'
  return targets.length === 0 ? 'none' : targets.join(', ')
}

function connectionLines(connection: ConnectionReport): string[] {
  const { host, port, ip, certificate, software, keys, faults } = connection
  return [
    `${host}:${port}${ip === null || ip === host ? '' : ` at ${ip}`}`,
    ...(certificate === null ? [] : [certificateLine(certificate)]),
    ...(software === null ? [] : [`  version     ${software}`]),
    ...keys.map((key) => `  key         ${key.key_id}, ${keyLine(key)}`),
    ...faults.map((fault) => `  FAULT       ${fault}`),
  ]
}

function certificateLine(certificate: NonNullable<ConnectionReport['certificate']>): string {
  const { names, issuer, valid_until: until, protocol } = certificate
  return `  certificate ${names.join(', ')} by ${issuer}, until ${until}, ${protocol}`
}

function keyLine(key: ConnectionReport['keys'][number]): string {
  return key.expired_at === undefined ? `valid until ${key.valid_until}` : `used until ${key.expired_at}`
}

function timeOf(ms: number): string {
  // Beyond this no date can be written.
  return new Date(Math.min(Math.max(ms, 0), 8.64e15)).toISOString()
}
