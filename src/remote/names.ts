import { type LookupAddress, lookup } from 'node:dns'
import { Resolver } from 'node:dns/promises'
import { promisify } from 'node:util'
import type { Directories } from './discovery.ts'

/** How the names of other machines are found. */
export interface Names {
  /** All addresses of the host. Errors: those of DNS. */
  addresses(host: string): Promise<LookupAddress[]>
  readonly srv: Directories['srv']
}

const TIMEOUT_MS = 5_000
const TRIES = 2

const systemLookup = promisify(lookup)

/**
 * Asks the name servers, each an address, or an address and a port: `192.0.2.1`, `[2001:db8::1]:5353`. Without any it
 * asks the system, which also knows names that are not in DNS. Errors: Error for what is no address.
 */
export function createNames(servers: readonly string[] = []): Names {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  if (servers.length === 0) {
    return { addresses: (host) => systemLookup(host, { all: true }), srv: (name) => srvRecords(resolver, name) }
  }
  try {
    resolver.setServers(servers)
  } catch (error) {
    throw new Error(`federation_api.dns_servers: ${(error as Error).message}`)
  }
  return { addresses: (host) => addressRecords(resolver, host), srv: (name) => srvRecords(resolver, name) }
}

async function addressRecords(resolver: Resolver, host: string): Promise<LookupAddress[]> {
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)])
  if (v4.status === 'rejected' && v6.status === 'rejected') throw v4.reason
  const found = (result: PromiseSettledResult<string[]>, family: 4 | 6) =>
    (result.status === 'fulfilled' ? result.value : []).map((address) => ({ address, family }))
  return [...found(v4, 4), ...found(v6, 6)]
}

async function srvRecords(resolver: Resolver, name: string): ReturnType<Directories['srv']> {
  try {
    return await resolver.resolveSrv(name)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENODATA' || code === 'ENOTFOUND' ? [] : undefined
  }
}
