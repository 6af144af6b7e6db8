import { afterEach, expect, test } from 'vitest'
import { networkOf } from '../../src/http/budget.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'

const v3 = '/_matrix/client/v3'
const KIB = 1_024
const THRESHOLD = 3
const COOLOFF_MS = 60_000
const limits = { enabled: true, threshold: THRESHOLD, cooloff_ms: COOLOFF_MS, exempt_user_ids: ['@vip:test.example'] }

const running: TestServer[] = []
afterEach(async () => {
  for (const server of running.splice(0)) await server.stop()
})

async function start(clientApi = {}, http = {}): Promise<TestServer> {
  const server = await startTestServer(clientApi, undefined, { http })
  running.push(server)
  return server
}

/** Login flows, asked for as if by way of a proxy. */
async function statusFrom(server: TestServer, forwardedFor: string): Promise<number> {
  const reply = await fetch(`${server.url}${v3}/login`, { headers: { 'X-Forwarded-For': forwardedFor } })
  await reply.arrayBuffer()
  return reply.status
}

async function statusesFrom(server: TestServer, ...addresses: string[]): Promise<number[]> {
  const statuses: number[] = []
  for (const address of addresses) statuses.push(await statusFrom(server, address))
  return statuses
}

test('a budget that is used up says when to come back, and is one user’s alone', async () => {
  const server = await start({ rate_limiting: limits })
  const [alice, bob, vip] = [await server.register('alice'), await server.register('bob'), await server.register('vip')]
  const rename = ({ userId, token }: typeof alice) =>
    server.call('PUT', `${v3}/profile/${encodeURIComponent(userId)}/displayname`, { token, body: { displayname: 'x' } })
  for (let call = 0; call < THRESHOLD; call++) expect((await rename(alice)).status).toBe(200)
  const refused = await rename(alice)
  expect([refused.status, refused.body.errcode]).toEqual([429, 'M_LIMIT_EXCEEDED'])
  const waitMs = Number(refused.body.retry_after_ms)
  expect(waitMs).toBeGreaterThan(COOLOFF_MS / 2)
  expect(waitMs).toBeLessThanOrEqual(COOLOFF_MS)
  expect(refused.headers.get('Retry-After')).toBe(String(Math.ceil(waitMs / 1_000)))
  expect((await rename(bob)).status).toBe(200)
  for (let call = 0; call <= THRESHOLD; call++) expect((await rename(vip)).status).toBe(200)
})

test('guesses at one account are limited whatever address they come from', async () => {
  const server = await start({ rate_limiting: limits })
  await server.register('alice')
  const statuses: number[] = []
  for (let guess = 0; guess <= THRESHOLD; guess++) {
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: `no ${guess}` }
    const headers = { 'Content-Type': 'application/json', 'X-Forwarded-For': `203.0.113.${guess}` }
    const reply = await fetch(`${server.url}${v3}/login`, { method: 'POST', headers, body: JSON.stringify(body) })
    await reply.arrayBuffer()
    statuses.push(reply.status)
  }
  expect(statuses).toEqual([403, 403, 403, 429])
})

test('S40: a proxy that is trusted names the client; the last address that is not trusted counts', async () => {
  const server = await start({ rate_limiting: limits }, { trusted_proxies: ['127.0.0.1', '10.0.0.0/8'] })
  const first = '203.0.113.1'
  expect(await statusesFrom(server, first, first, `6.6.6.6, ${first}, 10.1.1.1`, first)).toEqual([200, 200, 200, 429])
  expect(await statusesFrom(server, '203.0.113.2', `${first}, 203.0.113.3`)).toEqual([200, 200])
  expect(await statusesFrom(server, 'x'.repeat(5_000), '::ffff:1.2.3.4', ',,', '"; --')).toEqual([200, 200, 200, 200])
})

test('S40: nobody else’s X-Forwarded-For is believed', async () => {
  const server = await start({ rate_limiting: limits }, { trusted_proxies: [] })
  expect(await statusesFrom(server, '1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4')).toEqual([200, 200, 200, 429])
})

test('addresses of version 6 share the budget of their network', () => {
  expect(networkOf('2001:db8:1:2:3::4')).toBe(networkOf('2001:db8:1:2::9'))
  expect(networkOf('2001:db8:1:3::4')).not.toBe(networkOf('2001:db8:1:2::4'))
  expect(networkOf('::ffff:1.2.3.4')).toBe(networkOf('1.2.3.4'))
})

test.each([
  ['whoever comes', 'POST', `${v3}/login`, 64 * KIB, false],
  ['a user', 'PUT', `${v3}/profile/@alice:test.example/x`, 256 * KIB, true],
  ['a user’s settings', 'PUT', `${v3}/user/@alice:test.example/account_data/x`, 4 * 1_024 * KIB, true],
])('the body of %s has its limit', async (_who, method, path, limitBytes, loggedIn) => {
  const server = await start()
  const { token } = await server.register('alice')
  const body = (bytes: number) => `{"x":"${'y'.repeat(bytes - '{"x":""}'.length)}"}`
  const caller = loggedIn ? { token } : {}
  const fits = await server.call(method, path, { ...caller, raw: body(limitBytes) })
  expect(fits.status).not.toBe(413)
  const large = await server.call(method, path, { ...caller, raw: body(limitBytes + 1) })
  expect([large.status, large.body.errcode]).toEqual([413, 'M_TOO_LARGE'])
})
