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
