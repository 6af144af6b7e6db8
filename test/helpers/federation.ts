import { afterAll, beforeAll, describe } from 'vitest'
import type { ServerName } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { askServer, type Question } from '../../src/remote/ask-server.ts'
import { Unreachable } from '../../src/remote/outbound.ts'
import type { ServerReply, ServerRequest, Transport } from '../../src/remote/transport.ts'
import { freshPostgres } from './databases.ts'
import { receiveBy } from './receive-by.ts'
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
  /** Answers in the place of the servers, where it does not answer undefined. */
  answer(instead: (request: ServerRequest) => { status: number; content: unknown } | undefined): void
  /** What a server answers is changed on its way, as if it had said so itself. */
  rewrite(change: Rewrite): void
  /** The same, for answers that are no JSON. */
  answerBytes(instead: (request: ServerRequest) => ServerReply | undefined): void
  /** Every request that was carried, oldest first. */
  readonly carried: ServerRequest[]
  /** Asks as one of the servers. */
  ask(from: TestServer, destination: string, question: Question): Promise<JsonObject>
  stop(): Promise<void>
}

export type Rewrite = (request: ServerRequest, answer: Answer) => Answer
type Answer = Awaited<ReturnType<Transport['send']>>

export function createTestNetwork(): TestNetwork {
  const servers = new Map<string, TestServer>()
  const started: TestServer[] = []
  const dead = new Set<string>()
  let refused: (uri: string) => boolean = () => false
  let instead: Parameters<TestNetwork['answer']>[0] = () => undefined
  let bytesInstead: Parameters<TestNetwork['answerBytes']>[0] = () => undefined
  let refusal: 'answer 404' | 'hang up' = 'answer 404'
  let rewritten: Rewrite = (_request, answer) => answer
  const carried: ServerRequest[] = []
  const transport: Transport = {
    receive: (request, read) => receiveBy(transport.send)(request, read),
    async send(request) {
      const server = servers.get(request.destination)
      if (server === undefined || dead.has(request.destination)) throw new Unreachable(`${request.destination} is away`)
      if (refused(request.uri) && refusal === 'hang up') throw new Unreachable(`${request.destination} hung up`)
      if (refused(request.uri)) return { status: 404, body: Buffer.from('{"errcode":"M_UNRECOGNIZED"}') }
      const given = instead(request)
      if (given !== undefined) return { status: given.status, body: Buffer.from(JSON.stringify(given.content)) }
      const bytes = bytesInstead(request)
      if (bytes !== undefined) return bytes
      carried.push(request)
      const { method, uri, headers, body: sent } = request
      const reply = await fetch(`${server.url}${uri}`, {
        method,
        headers,
        ...(sent === undefined ? {} : { body: sent }),
      })
      const body = Buffer.from(await reply.arrayBuffer())
      return rewritten(request, { status: reply.status, headers: Object.fromEntries(reply.headers), body })
    },
  }
  return {
    transport,
    carried,
    async start(serverName, connectionString, more = {}) {
      const server = await startTestServer(more.clientApi ?? {}, connectionString, { ...more, serverName, transport })
      servers.set(serverName, server)
      started.push(server)
      return server
    },
    refuse(unknown, how = 'answer 404') {
      refusal = how
      refused = unknown
    },
    answer(given) {
      instead = given
    },
    rewrite(change) {
      rewritten = change
    },
    answerBytes(given) {
      bytesInstead = given
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

/** What `eachNetwork` fills in before the first test. */
export interface NetworkOfServers {
  network: TestNetwork
  servers: readonly TestServer[]
}

/** Runs the tests once per engine, all of them on the same servers of these names. */
export function eachNetwork(names: readonly string[], tests: (joint: NetworkOfServers) => void): void {
  const engines = process.env.DENDRITE_TEST_POSTGRES === undefined ? ['sqlite'] : ['sqlite', 'postgres']
  describe.each(engines)('on %s', (engine) => {
    const joint = {} as NetworkOfServers
    const undo: (() => Promise<void>)[] = []
    beforeAll(async () => {
      const network = createTestNetwork()
      const servers: TestServer[] = []
      for (const name of names) {
        const uri = engine === 'postgres' ? (await freshPostgres(undo)).options.connectionString : undefined
        servers.push(await network.start(name, uri))
      }
      undo.push(() => network.stop())
      Object.assign(joint, { network, servers })
    })
    afterAll(async () => {
      for (const step of undo.reverse()) await step()
    })
    tests(joint)
  })
}
