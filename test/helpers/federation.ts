import type { ServerName } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { askServer, type Question } from '../../src/remote/ask-server.ts'
import { Unreachable } from '../../src/remote/outbound.ts'
import type { ServerRequest, Transport } from '../../src/remote/transport.ts'
import { startTestServer, type TestFederation, type TestServer } from './server.ts'

/** Servers that reach one another by name, without DNS and TLS. */
export interface TestNetwork {
  readonly transport: Transport
  /** Starts a server of that name. */
  start(serverName: string, connectionString?: string, more?: TestFederation): Promise<TestServer>
  /** Requests to the server fail until it is switched on again. */
  cut(serverName: string, off: boolean): void
  /** These paths answer as if there was no such endpoint, or not at all. */
  refuse(unknown: (uri: string) => boolean, how?: 'answer 404' | 'hang up'): void
  /** Every request that was carried, oldest first. */
  readonly carried: ServerRequest[]
  /** Asks as one of the servers. */
  ask(from: TestServer, destination: string, question: Question): Promise<JsonObject>
  stop(): Promise<void>
}

export function createTestNetwork(): TestNetwork {
  const servers = new Map<string, TestServer>()
  const started: TestServer[] = []
  const dead = new Set<string>()
  let refused: (uri: string) => boolean = () => false
  let refusal: 'answer 404' | 'hang up' = 'answer 404'
  const carried: ServerRequest[] = []
  const transport: Transport = {
    async send(request) {
      const server = servers.get(request.destination)
      if (server === undefined || dead.has(request.destination)) throw new Unreachable(`${request.destination} is away`)
      if (refused(request.uri) && refusal === 'hang up') throw new Unreachable(`${request.destination} hung up`)
      if (refused(request.uri)) return { status: 404, body: Buffer.from('{"errcode":"M_UNRECOGNIZED"}') }
      carried.push(request)
      const { method, uri, headers, body } = request
      const reply = await fetch(`${server.url}${uri}`, { method, headers, ...(body === undefined ? {} : { body }) })
      return { status: reply.status, body: Buffer.from(await reply.arrayBuffer()) }
    },
  }
  return {
    transport,
    carried,
    async start(serverName, connectionString, more = {}) {
      const server = await startTestServer({}, connectionString, { ...more, serverName, transport })
      servers.set(serverName, server)
      started.push(server)
      return server
    },
    refuse(unknown, how = 'answer 404') {
      refusal = how
      refused = unknown
    },
    cut: (serverName, off) => void (off ? dead.add(serverName) : dead.delete(serverName)),
    ask: (from, destination, question) => askServer(from.app, destination as ServerName, question),
    async stop() {
      for (const server of started) await server.stop()
    },
  }
}

/** Resolves when nothing is on its way between the servers any more. */
export async function settled(...servers: readonly TestServer[]): Promise<void> {
  // A transaction that arrives may lead to another one: until a whole round found nothing to do.
  for (let quiet = 0; quiet < 2; ) {
    const before = servers.map((server) => server.app.db.safePosition()).join()
    for (const { followers, app } of servers) {
      await followers.idle()
      await app.live.inbox.idle()
    }
    quiet = servers.map((server) => server.app.db.safePosition()).join() === before ? quiet + 1 : 0
  }
}
