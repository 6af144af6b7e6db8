import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'

let server: TestServer
const v3 = '/_matrix/client/v3'

beforeAll(async () => {
  server = await startTestServer()
})

afterAll(() => server?.stop())

test('an account registers and is told who it is', async () => {
  const alice = await server.register('alice')
  const who = await server.call('GET', `${v3}/account/whoami`, { token: alice.token })
  expect(who.body).toEqual({ user_id: '@alice:test.example', device_id: alice.deviceId, is_guest: false })
  const again = await server.call('POST', `${v3}/register`, { body: { username: 'alice', password: TEST_PASSWORD } })
  expect([again.status, again.body.errcode]).toEqual([400, 'M_USER_IN_USE'])
})

test('of two registrations of one name at once, one succeeds', async () => {
  const both = await Promise.allSettled([server.register('twin'), server.register('twin')])
  expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected'])
})

test('a login by localpart or user id works, and a wrong password does not', async () => {
  await server.register('bob')
  for (const user of ['bob', 'BOB', '@bob:test.example']) {
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: TEST_PASSWORD }
    const reply = await server.call('POST', `${v3}/login`, { body })
    expect([reply.status, reply.body.user_id]).toEqual([200, '@bob:test.example'])
  }
  const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password: 'wrong one' }
  const refused = await server.call('POST', `${v3}/login`, { body })
  expect([refused.status, refused.body.errcode]).toEqual([403, 'M_FORBIDDEN'])
})

test('a logout ends the token', async () => {
  const { token } = await server.register('carol')
  expect((await server.call('POST', `${v3}/logout`, { token })).status).toBe(200)
  const after = await server.call('GET', `${v3}/account/whoami`, { token })
  expect([after.status, after.body.errcode]).toEqual([401, 'M_UNKNOWN_TOKEN'])
})

test.each([
  ['GET', `${v3}/account/whoami`, undefined, 401, 'M_MISSING_TOKEN'],
  ['GET', '/_matrix/client/v3/nothing', undefined, 404, 'M_UNRECOGNIZED'],
  ['DELETE', `${v3}/account/whoami`, undefined, 405, 'M_UNRECOGNIZED'],
  ['POST', `${v3}/login`, '{', 400, 'M_NOT_JSON'],
  ['POST', `${v3}/login`, '{"type": 1.5}', 400, 'M_BAD_JSON'],
])('%s %s with body %s answers %i %s', async (method, path, raw, status, errcode) => {
  const reply = await server.call(method, path, raw === undefined ? {} : { raw })
  expect([reply.status, reply.body.errcode]).toEqual([status, errcode])
  expect(reply.headers.get('Access-Control-Allow-Origin')).toBe('*')
})
