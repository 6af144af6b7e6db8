import { expect, test } from 'vitest'
import { startTestServer } from '../helpers/server.ts'

test('clients find the server and its people, where they are configured', async () => {
  const global = {
    well_known_client_name: 'https://matrix.test.example',
    well_known_support_email: 'help@test.example',
    well_known_support_page: 'https://test.example/help',
  }
  const server = await startTestServer({}, undefined, { global })
  const client = await server.call('GET', '/.well-known/matrix/client')
  expect(client.body).toEqual({ 'm.homeserver': { base_url: 'https://matrix.test.example' } })
  expect(client.headers.get('Access-Control-Allow-Origin')).toBe('*')
  expect((await server.call('GET', '/.well-known/matrix/support')).body).toEqual({
    contacts: [{ role: 'm.role.admin', email_address: 'help@test.example' }],
    support_page: 'https://test.example/help',
  })
  await server.stop()
  const bare = await startTestServer()
  for (const name of ['client', 'support']) {
    expect((await bare.call('GET', `/.well-known/matrix/${name}`)).status).toBe(404)
  }
  await bare.stop()
})
