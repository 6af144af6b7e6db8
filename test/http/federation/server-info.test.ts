import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../helpers/server.ts'

let server: TestServer
beforeAll(async () => {
  const global = { well_known_server_name: 'matrix.test.example:443' }
  server = await startTestServer({}, undefined, { global })
})
afterAll(() => server?.stop())

test('the server says what it is and where it is', async () => {
  const { body } = await server.call('GET', '/_matrix/federation/v1/version')
  expect(body).toEqual({ server: { name: 'Dendrite', version: expect.stringMatching(/^\d+\.\d+\.\d+/) } })
  const delegation = await server.call('GET', '/.well-known/matrix/server')
  expect(delegation.body).toEqual({ 'm.server': 'matrix.test.example:443' })
})
