import { type AddressInfo, connect, type Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { buildServer } from '../../src/http/server.ts'
import { endSlowRequests } from '../../src/http/slow-requests.ts'
import { systemTimers, type Timers } from '../../src/live/time.ts'
import { startTestServer } from '../helpers/server.ts'

const SILENCE_MS = 150
const BODY_MS = 600

let server: FastifyInstance
let port = 0
const begun: Socket[] = []

beforeEach(async () => {
  server = fastify()
  const limits = { silenceMs: SILENCE_MS, bodyMs: BODY_MS }
  server.addHook(
    'onRequest',
    endSlowRequests(systemTimers, ({ url }) => url === '/streamed', limits),
  )
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  for (const path of ['/whole', '/streamed']) server.post(path, async () => 'read')
  server.all('/long', async () => {
    await systemTimers.sleep(2 * SILENCE_MS)
    return 'at last'
  })
  await server.listen({ host: '127.0.0.1', port: 0 })
  port = (server.server.address() as AddressInfo).port
})
afterEach(async () => {
  for (const socket of begun.splice(0)) socket.destroy()
  await server.close()
})

function begin(path: string, bytes: number): Socket {
  const method = bytes === 0 ? 'GET' : 'POST'

  const socket = connect(port, '127.0.0.1')
  begun.push(socket)
  socket.on('error', () => undefined)
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: test.example\r\nContent-Type: x/y\r\nContent-Length: ${bytes}\r\n\r\n`,
  )
  return socket
}

/** Sends a byte now and then until the connection ends or all are sent. Resolves with the answer. */
async function drip(socket: Socket, bytes: number): Promise<string> {
  const answered = answerOf(socket)
  for (let sent = 0; sent < bytes && !socket.destroyed; sent++) {
    socket.write('x')
    await systemTimers.sleep(SILENCE_MS / 3)
  }
  return answered
}

function answerOf(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    socket.once('data', (answer) => resolve(answer.toString().split('\r\n\r\n')[1] ?? ''))
    socket.once('close', () => resolve('hung up'))
  })
}

test('who falls silent amid a body is hung up on, whoever reads it', async () => {
  expect(await Promise.all(['/whole', '/streamed'].map((path) => answerOf(begin(path, 10))))).toEqual([
    'hung up',
    'hung up',
  ])
})

test('a body may come slowly where it is read as it comes, and otherwise not for ever', async () => {
  const bytes = Math.ceil((1.5 * BODY_MS) / (SILENCE_MS / 3))
  const answers = [drip(begin('/whole', bytes), bytes), drip(begin('/streamed', bytes), bytes)]
  expect(await Promise.all(answers)).toEqual(['hung up', 'read'])
})

test('an answer may take as long as it needs, and the connection is kept', async () => {
  expect(await answerOf(begin('/long', 0))).toBe('at last')
  const socket = begin('/long', 1)
  socket.write('x')
  expect(await answerOf(socket)).toBe('at last')
  socket.write('POST /whole HTTP/1.1\r\nHost: test.example\r\nContent-Type: x/y\r\nContent-Length: 1\r\n\r\nx')
  expect(await answerOf(socket)).toBe('read')
})

test('the server has its eye on every body', async () => {
  const { app, stop } = await startTestServer()
  const delays = new Set<number>()
  const after: Timers['after'] = (delayMs, callback) => {
    delays.add(delayMs)
    return app.timers.after(delayMs, callback)
  }
  const built = buildServer({ ...app, timers: { ...app.timers, after } }, new AbortController().signal, {})
  try {
    await built.listen({ host: '127.0.0.1', port: 0 })
    port = (built.server.address() as AddressInfo).port
    begin('/_matrix/client/v3/login', 10)
    await expect.poll(() => [...delays]).toEqual([60_000, 300_000])
  } finally {
    built.server.closeAllConnections()
    await built.close()
    await stop()
  }
})
