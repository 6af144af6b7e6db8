import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Json } from './session.ts'

export interface HeardTransaction {
  readonly txnId: string
  readonly body: Json
  readonly raw: string
}

export interface TestAppservice {
  readonly url: string
  /** Every try, in order. */
  readonly tries: readonly HeardTransaction[]
  /** What was taken: tries that were answered with 200, each name once. */
  taken(): readonly HeardTransaction[]
  /** Events of what was taken, as far as they have this type. */
  events(type: string): readonly Json[]
  /** Resolves once what was heard so far fulfils the condition. */
  until(condition: () => boolean): Promise<void>
  /** How it answers transactions from now on; undefined: it hangs up without an answer. */
  answer(status: number | undefined): void
  /** Answers users and aliases that it is asked for: the path after `/_matrix/app/v1`. */
  onQuery(make: (path: string) => Promise<number>): void
  stop(): Promise<void>
}

export const HS_TOKEN = 'hs-of-bridge'
export const AS_TOKEN = 'as-of-bridge'

/** A registration, as YAML reads it too. */
export function registrationText(url: string | null, more: object = {}): string {
  return JSON.stringify({
    id: 'bridge',
    url,
    as_token: AS_TOKEN,
    hs_token: HS_TOKEN,
    sender_localpart: 'bridgebot',
    rate_limited: false,
    namespaces: {
      users: [{ exclusive: true, regex: '@_bridge_.*' }],
      aliases: [{ exclusive: true, regex: '#_bridge_.*' }],
    },
    ...more,
  })
}

/** An application service on a free port of this machine, or on a unix socket. */
export async function startAppservice(socketPath?: string): Promise<TestAppservice> {
  const tries: HeardTransaction[] = []
  const taken = new Map<string, HeardTransaction>()
  const waiting = new Set<() => void>()
  let status: number | undefined = 200
  let query: (path: string) => Promise<number> = async () => 404
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const reply = (code: number) => response.writeHead(code, { 'content-type': 'application/json' }).end('{}')
    if (request.headers.authorization !== `Bearer ${HS_TOKEN}`) return reply(403)
    const [, kind, rest = ''] = /^\/_matrix\/app\/v1\/(\w+)\/(.*)$/.exec(request.url ?? '') ?? []
    if (kind !== 'transactions') return reply(await query(`/${kind}/${decodeURIComponent(rest)}`))
    const raw = Buffer.concat(chunks).toString()
    const heard = { txnId: rest, raw, body: JSON.parse(raw) }
    tries.push(heard)
    if (status === undefined) request.socket.destroy()
    else reply(status)
    if (status === 200 && !taken.has(rest)) taken.set(rest, heard)
    for (const look of waiting) look()
  })
  await new Promise<void>((done) =>
    socketPath === undefined ? server.listen(0, '127.0.0.1', done) : server.listen(socketPath, done),
  )
  return {
    url:
      socketPath === undefined ? `http://127.0.0.1:${(server.address() as AddressInfo).port}` : `unix://${socketPath}`,
    tries,
    taken: () => [...taken.values()],
    events: (type) =>
      [...taken.values()].flatMap(({ body }) => body.events.filter((event: Json) => event.type === type)),
    until(condition) {
      return new Promise((resolve) => {
        const look = () => {
          if (!condition()) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      })
    },
    answer(code) {
      status = code
    },
    onQuery(make) {
      query = make
    },
    stop() {
      server.closeAllConnections()
      return new Promise((done) => server.close(() => done()))
    },
  }
}
