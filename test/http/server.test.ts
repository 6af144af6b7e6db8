import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestServer, type TestServer } from '../helpers/server.ts'

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(() => server.stop())

it('calls its JSON application/json, without a charset, in answers and in errors', async () => {
  const { headers } = await server.call('GET', '/_matrix/client/versions')
  expect(headers.get('Content-Type')).toBe('application/json')
  const unknown = await server.call('GET', '/_matrix/client/nothing')
  expect(unknown.status).toBe(404)
  expect(unknown.headers.get('Content-Type')).toBe('application/json')
})

it('stops at once though somebody opened a connection and asked nothing', async () => {
  const other = await startTestServer()
  const socket = connect(Number(new URL(other.url).port), '127.0.0.1')
  await once(socket, 'connect')
  expect((await other.call('GET', '/_matrix/client/versions')).status).toBe(200)
  const ended = once(socket, 'close')
  await other.stop()
  await ended
}, 15_000)
