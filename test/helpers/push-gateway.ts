import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Json } from './session.ts'

export interface TestGateway {
  readonly url: string
  /** The notifications that came, in order. */
  readonly heard: readonly Json[]
  /** Resolves with the next notification that is not yet taken. */
  next(): Promise<Json>
  /** How it answers from now on. */
  answer(status: number, body?: object): void
  /** Takes notifications and answers none from now on, until it is stopped. */
  hang(): void
  stop(): Promise<void>
}

/** A push gateway on a free port of this machine. */
export async function startGateway(port = 0): Promise<TestGateway> {
  const heard: Json[] = []
  const asking: ((notification: Json) => void)[] = []
  let taken = 0
  let hanging = false
  let reply: { status: number; body: object } = { status: 200, body: { rejected: [] } }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { notification } = JSON.parse(Buffer.concat(chunks).toString())
    heard.push(notification)
    const waiting = asking.shift()
    if (waiting !== undefined) {
      taken++
      waiting(notification)
    }
    if (hanging) return
    response.writeHead(reply.status, { 'content-type': 'application/json' }).end(JSON.stringify(reply.body))
  })
  await new Promise<void>((done) => server.listen(port, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/_matrix/push/v1/notify`,
    heard,
    next() {
      if (taken < heard.length) return Promise.resolve(heard[taken++])
      return new Promise((resolve) => asking.push(resolve))
    },
    answer(status, body = {}) {
      reply = { status, body }
    },
    hang() {
      hanging = true
    },
    stop() {
      server.closeAllConnections()
      return new Promise((done) => server.close(() => done()))
    },
  }
}
