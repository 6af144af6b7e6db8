import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeTokens } from '../../src/actions/sessions/session-tokens.ts'
import { configFrom } from '../../src/config/load.ts'
import { globMatches } from '../../src/core/glob.ts'
import { localpartFault } from '../../src/core/ids.ts'
import { signJson } from '../../src/core/sign.ts'
import { crossSigningOf, deviceKeysOf } from '../helpers/device-keys.ts'
import { startTestServer, TEST_PASSWORD, type TestServer } from '../helpers/server.ts'
import { enter, enterAsAdmin, inRoom, type Session } from '../helpers/session.ts'

/** Ways in which accounts of other servers were taken over or worn out, by the numbers of our catalogue. */
const v3 = '/_matrix/client/v3'
const MARK = 'mark-that-nobody-may-keep'

let dir = ''
let server: TestServer
let alice: Session
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dendrite-accounts-'))
  server = await startTestServer({ registration_shared_secret: 'shared' }, `file:${join(dir, 'server.db')}`)
  alice = await enter(server, 'alice')
})
afterAll(async () => {
  await server.stop()
  await rm(dir, { recursive: true, force: true })
})

const logIn = (user: string, password = TEST_PASSWORD) =>
  server.call('POST', `${v3}/login`, {
    body: { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password },
  })
const withHeader = async (authorization: string) => {
  const reply = await fetch(`${server.url}${v3}/account/whoami`, { headers: { Authorization: authorization } })
  return `${reply.status} ${((await reply.json()) as { errcode: string }).errcode}`
}

test('S5: what opens a door is 256 bits of chance, and never the same', async () => {
  const tokens = Array.from({ length: 20_000 }, () => makeTokens(server.app, true))
  const drawn = tokens.flatMap(({ accessToken, refreshToken }) => [accessToken, refreshToken!])
  expect(new Set(drawn).size).toBe(drawn.length)
  const bytes = drawn.map((token) => Buffer.from(token, 'base64url'))
  expect(new Set(bytes.map(({ length }) => length))).toEqual(new Set([32]))
  // Each byte as often as any other: the sum is beyond 400 once in hundreds of millions of runs.
  const counts = new Array<number>(256).fill(0)
  for (const token of bytes) for (const byte of token) counts[byte]!++
  const mean = (drawn.length * 32) / 256
  expect(counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0)).toBeLessThan(400)
})

test('S20: power in a room called admins is none over the server, and aliases are not taken', async () => {
  const [dan, eve] = [await enter(server, 'dan'), await enter(server, 'eve')]
  const admins = '#admins:test.example'
  const alias = encodeURIComponent(admins)
  const roomId = await dan.createRoom({ room_alias_name: 'admins', preset: 'public_chat' })
  const other = await eve.createRoom({ name: 'Admins' })
  expect(await eve.refused('PUT', `/directory/room/${alias}`, { room_id: other })).toMatch(/^409 /)
  expect(await eve.refused('DELETE', `/directory/room/${alias}`)).toBe('403 M_FORBIDDEN')
  expect(await eve.refused('PUT', `${inRoom(other)}/state/m.room.canonical_alias/`, { alias: admins })).toMatch(/^400 /)
  expect((await eve.get(`/directory/room/${alias}`)).room_id).toBe(roomId)
  const root = await enterAsAdmin(server, 'root')
  await root.join(roomId)
  for (const words of ['!admin users reset-password alice x', '\\!admin', '/admin']) await dan.send(roomId, words)
  expect(await dan.refused('GET', '/_synapse/admin/v2/users?from=0')).toBe('403 M_FORBIDDEN')
  expect((await logIn('alice')).status).toBe(200)
})

test('S34: a session of one operation serves no other, of nobody else; a name is given away once', async () => {
  const mallory = await enter(server, 'mallory')
  const { body: asked } = await alice.call('POST', '/delete_devices', { devices: ['A'] })
  const auth = (user: string) => ({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user },
    password: TEST_PASSWORD,
    session: asked.session,
  })
  for (const [who, path, body] of [
    [mallory, '/delete_devices', { devices: ['A'], auth: auth('mallory') }],
    [alice, '/delete_devices', { devices: ['B'], auth: auth('alice') }],
    [alice, '/account/deactivate', { auth: auth('alice') }],
    [alice, '/account/password', { new_password: 'a new password', auth: auth('alice') }],
    // The right session, with somebody else's name and password.
    [alice, '/delete_devices', { devices: ['A'], auth: auth('mallory') }],
  ] as const) {
    const reply = await who.call('POST', path, body)
    expect([path, reply.status >= 401 && reply.status <= 403]).toEqual([path, true])
  }
  expect((await logIn('alice')).status).toBe(200)
  const racing = Array.from({ length: 8 }, () =>
    server.register('twice').then(
      () => 1,
      () => 0,
    ),
  )
  expect((await Promise.all(racing)).reduce<number>((sum, one) => sum + one, 0)).toBe(1)
})

test('S35: an empty token is none, and a closed account has no way in', async () => {
  for (const header of ['Bearer', 'Bearer ', 'Bearer \t ', 'bearer', ''])
    expect([header, await withHeader(header)]).toEqual([header, '401 M_MISSING_TOKEN'])
  const [admin, gone, locked] = [
    await enterAsAdmin(server, 'admin'),
    await enter(server, 'gone'),
    await enter(server, 'locked'),
  ]
  const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'gone' }, password: TEST_PASSWORD }
  await gone.post('/account/deactivate', { auth })
  await admin.put(`/_matrix/client/v1/admin/lock/${encodeURIComponent(locked.userId)}`, { locked: true })
  for (const password of [TEST_PASSWORD, '', 'null', 'undefined', '*'])
    expect([password, (await logIn('gone', password)).status]).toEqual([password, 403])
  expect((await logIn('locked')).status).not.toBe(200)
  expect(await gone.refusal('GET', '/account/whoami')).toBe('401 M_UNKNOWN_TOKEN')
  expect(await locked.refusal('GET', '/account/whoami')).toBe('401 M_USER_LOCKED')
})

test('S36: what opens an account is not kept: no password and no token stands in the database', async () => {
  const body = { username: 'careful', password: MARK, auth: { type: 'm.login.dummy' }, refresh_token: true }
  const { body: account } = await server.call('POST', `${v3}/register`, { body })
  const unfinished = { username: 'unfinished', password: `${MARK}-2` }
  expect((await server.call('POST', `${v3}/register`, { body: unfinished })).status).toBe(401)
  const { body: login } = await logIn('careful', MARK)
  const change = { new_password: `${MARK}-3`, auth: { type: 'm.login.password', user: 'careful', password: 'wrong' } }
  await server.call('POST', `${v3}/account/password`, { token: String(login.access_token), body: change })
  const files = await Promise.all(['server.db', 'server.db-wal'].map((name) => readFile(join(dir, name), 'latin1')))
  const kept = files.join('')
  expect(kept).toContain('careful')
  for (const secret of [MARK, account.access_token, account.refresh_token, login.access_token, alice.token])
    expect(kept.includes(String(secret))).toBe(false)
})

test('S37: names are ASCII, and only A to Z are folded', async () => {
  await enter(server, 'kaki')
  const allowed: string[] = []
  for (let code = 0; code < 0x1_0000; code++) {
    const letter = String.fromCharCode(code)
    if (localpartFault(letter) === undefined) allowed.push(letter)
  }
  expect(allowed.join('')).toBe('+-./0123456789=_abcdefghijklmnopqrstuvwxyz')
  // The sign for Kelvin becomes a k where letters are folded by their language.
  for (const name of ['\u212aaki', 'ka\u212ai', 'kak\u0130', 'ｋaki', 'kaki\u0000', 'kaki ']) {
    expect([name, [400, 403].includes((await logIn(name)).status)]).toEqual([name, true])
    const body = { username: name, password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
    expect([name, (await server.call('POST', `${v3}/register`, { body })).status]).toEqual([name, 400])
  }
  expect((await logIn('KAKI')).status).toBe(200)
})

test('S38: nobody registers unless that is switched on, and the shared secret is good for one account', async () => {
  const { client_api: usual } = configFrom({ version: 2, global: { server_name: 'x.example' } })
  expect([usual.registration_disabled, usual.guests_disabled, usual.registration_shared_secret]).toEqual([
    true,
    true,
    '',
  ])
  const { body } = await server.call('GET', '/_synapse/admin/v1/register')
  const wish = { nonce: body.nonce, username: 'forged', password: TEST_PASSWORD, admin: true, mac: '0'.repeat(40) }
  expect((await server.call('POST', '/_synapse/admin/v1/register', { body: wish })).status).toBe(403)
  const closed = await startTestServer({ registration_disabled: true })
  const register = { username: 'x', password: TEST_PASSWORD, auth: { type: 'm.login.dummy' } }
  expect((await closed.call('POST', `${v3}/register`, { body: register })).status).toBe(403)
  expect((await closed.call('POST', `${v3}/register?kind=guest`, { body: {} })).status).toBe(403)
  await closed.stop()
})

test('S39: who guesses does not learn whether the account exists, and passwords have an end', async () => {
  const [wrong, nobody] = [await logIn('alice', 'wrong password'), await logIn('nobody-at-all', 'wrong password')]
  expect([wrong.status, wrong.body]).toEqual([nobody.status, nobody.body])
  const register = (password: string) =>
    server.call('POST', `${v3}/register`, { body: { username: 'long', password, auth: { type: 'm.login.dummy' } } })
  expect((await register('x'.repeat(513))).status).toBe(400)
  expect((await register('x'.repeat(7))).body.errcode).toBe('M_WEAK_PASSWORD')
  // The 73rd byte counts as well.
  expect((await register('x'.repeat(80))).status).toBe(200)
  expect((await logIn('long', `${'x'.repeat(79)}y`)).status).toBe(403)
})

test('S41: what a link says is not part of the page that it opens', async () => {
  const attack = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`
  for (const stage of ['m.login.recaptcha', 'm.login.dummy', 'm.login.terms', attack]) {
    const path = `/auth/${encodeURIComponent(stage)}/fallback/web?session=${encodeURIComponent(attack)}`
    const reply = await fetch(`${server.url}${v3}${path}`)
    const text = await reply.text()
    expect([stage, text.includes('<script>alert'), text.includes('<img src=x')]).toEqual([stage, false, false])
    if (reply.headers.get('Content-Type')?.startsWith('text/html') === true)
      expect(reply.headers.get('Content-Security-Policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/)
  }
})

test('S43: no pattern of a user takes long', async () => {
  const pattern = `${'*a'.repeat(100)}*b`
  const rule = { pattern, actions: ['notify'] }
  await alice.put('/pushrules/global/content/slow', rule)
  const started = performance.now()
  expect(globMatches(pattern, 'a'.repeat(60_000))).toBe(false)
  expect(performance.now() - started).toBeLessThan(2_000)
  await alice.delete('/pushrules/global/content/slow')
})

test('S44: fields about addresses have a length and a shape', async () => {
  const token = (body: object) => server.call('POST', `${v3}/register/email/requestToken`, { body })
  const good = { client_secret: 'abc', email: 'a@b.example', send_attempt: 1 }
  for (const bad of [
    { client_secret: 'x'.repeat(256) },
    { client_secret: 'spaces in it' },
    { client_secret: '' },
    { email: `${'x'.repeat(10_000)}@b.example` },
    { email: 'a@b.example\r\nBcc: c@d.example' },
    { send_attempt: 2 ** 60 },
  ]) {
    const reply = await token({ ...good, ...bad })
    expect([bad, reply.status >= 400 && reply.status < 500]).toEqual([bad, true])
  }
})

test('S46: keys that mean something to JavaScript mean nothing here', async () => {
  const bob = await enter(server, 'bob')
  const roomId = await alice.createRoom({ preset: 'public_chat' })
  await bob.join(roomId)
  const content =
    '{"body":"x","msgtype":"m.text","__proto__":{"admin":true},"constructor":{"prototype":{"admin":true}}}'
  const path = `${v3}${inRoom(roomId)}/send/m.room.message/proto`
  const sent = await server.call('PUT', path, { token: alice.token, raw: content })
  expect(sent.status).toBe(200)
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
  const reply = await fetch(
    `${server.url}${v3}${inRoom(roomId)}/event/${encodeURIComponent(String(sent.body.event_id))}`,
    {
      headers: { Authorization: `Bearer ${alice.token}` },
    },
  )
  expect(await reply.text()).toContain('"__proto__":{"admin":true}')
  for (const type of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    expect([type, await alice.refusal('GET', `${inRoom(roomId)}/state/${type}`)]).toEqual([type, '404 M_NOT_FOUND'])
    expect([type, await bob.refusal('PUT', `${inRoom(roomId)}/state/${type}`, {})]).toEqual([type, '403 M_FORBIDDEN'])
  }
})

test('S47: nothing is kept for devices that nobody has, nor keys that are not what they say', async () => {
  const to = (user: string) => alice.put('/sendToDevice/m.test/1', { messages: { [user]: { '*': {}, NONE: {} } } })
  for (const user of ['@nobody:test.example', alice.userId]) await to(user)
  const keys = (more: object) => ({
    device_keys: {
      algorithms: [],
      device_id: alice.deviceId,
      user_id: alice.userId,
      keys: { [`ed25519:${alice.deviceId}`]: 'x'.repeat(43) },
      signatures: { [alice.userId]: { [`ed25519:${alice.deviceId}`]: 'y'.repeat(86) } },
      ...more,
    },
  })
  for (const more of [{ user_id: '@other:test.example' }, { device_id: 'OTHER' }, { keys: [] }, { algorithms: 'x' }]) {
    const reply = await alice.call('POST', '/keys/upload', keys(more))
    expect([more, reply.status]).toEqual([more, 400])
  }
  const query = () => alice.post('/keys/query', { device_keys: { [alice.userId]: [] } })
  expect((await query()).device_keys[alice.userId] ?? {}).toEqual({})
  const [own, forged] = [crossSigningOf(alice.userId), crossSigningOf(alice.userId)]
  const upload = { ...own.upload, self_signing_key: forged.upload.self_signing_key }
  expect(await alice.refusal('POST', '/keys/device_signing/upload', upload)).toBe('400 M_INVALID_SIGNATURE')
  expect((await query()).master_keys?.[alice.userId]).toBeUndefined()
  // A signature that does not verify joins no key, and the answer says so.
  await alice.post('/keys/device_signing/upload', own.upload)
  const device = deviceKeysOf(alice)
  await alice.post('/keys/upload', { device_keys: device.keys })
  const signatures = { [alice.userId]: { [alice.deviceId]: signJson(device.keys, alice.userId, forged.selfSigning) } }
  const { failures } = await alice.post('/keys/signatures/upload', signatures)
  expect(failures[alice.userId][alice.deviceId].errcode).toBe('M_INVALID_SIGNATURE')
  expect((await query()).device_keys[alice.userId][alice.deviceId].signatures).toEqual(device.keys.signatures)
})
