import { expect, test } from 'vitest'
import { deviceKeysOf, oneTimeKeys } from '../helpers/device-keys.ts'
import { eachServer } from '../helpers/each-server.ts'
import { enter, type Json, type Session, sessionOf } from '../helpers/session.ts'

eachServer({}, (server) => {
  let people = 0
  const person = (): Promise<Session> => enter(server, `person${people++}`)

  async function secondDevice(of: Session): Promise<Session> {
    const identifier = { type: 'm.id.user', user: of.userId }
    const body = { type: 'm.login.password', identifier, password: 'correct horse battery' }
    const reply = await server.call('POST', '/_matrix/client/v3/login', { body })
    const { access_token: token, device_id: deviceId } = reply.body
    return sessionOf(server, { userId: of.userId, token: String(token), deviceId: String(deviceId) })
  }

  const claim = async (by: Session, of: Session, algorithm = 'signed_curve25519'): Promise<Json> => {
    const wanted = { [of.userId]: { [of.deviceId]: algorithm } }
    const reply = await by.post('/keys/claim', { one_time_keys: wanted })
    return reply.one_time_keys[of.userId]?.[of.deviceId]
  }

  test('keys that a device uploads are found by whoever asks', async () => {
    const [alice, bob] = [await person(), await person()]
    const { keys } = deviceKeysOf(alice)
    const uploaded = await alice.post('/keys/upload', { device_keys: keys })
    expect(uploaded).toEqual({ one_time_key_counts: { signed_curve25519: 0 } })
    const all = await bob.post('/keys/query', {
      device_keys: { [alice.userId]: [], '@none:test.example': [], 'no id': [] },
    })
    expect(all.device_keys).toEqual({
      [alice.userId]: { [alice.deviceId]: { ...keys, unsigned: {} } },
      '@none:test.example': {},
    })
    await alice.put(`/devices/${alice.deviceId}`, { display_name: 'phone' })
    const some = await bob.post('/keys/query', { device_keys: { [alice.userId]: [alice.deviceId, 'OTHER'] } })
    expect(some.device_keys[alice.userId][alice.deviceId].unsigned).toEqual({ device_display_name: 'phone' })
    const other = await bob.post('/keys/query', { device_keys: { [alice.userId]: ['OTHER'] } })
    expect(other.device_keys).toEqual({ [alice.userId]: {} })
  })

  test('keys of other users, of other devices and of other shapes are refused', async () => {
    const [alice, bob] = [await person(), await person()]
    const { keys } = deviceKeysOf(alice)
    for (const wrong of [
      { ...keys, user_id: bob.userId },
      { ...keys, device_id: 'OTHER' },
      { ...keys, algorithms: undefined },
      { ...keys, keys: { a: 1 } },
      { ...keys, signatures: { [alice.userId]: 'text' } },
      { ...keys, keys: { a: 'x'.repeat(40_000) } },
      { user_id: alice.userId, device_id: alice.deviceId },
    ]) {
      expect(await alice.refused('POST', '/keys/upload', { device_keys: wrong })).toBe('400 M_BAD_JSON')
    }
    for (const [name, key] of [
      ['nocolon', 'key'],
      [':id', 'key'],
      ['algorithm:', 'key'],
      ['algorithm:a\0b', 'key'],
      ['algorithm:id', 5],
      ['algorithm:id', { signatures: {} }],
      ['algorithm:id', { key: 'key', signatures: { a: 'text' } }],
      ['algorithm:id', 'x'.repeat(9_000)],
    ] as const) {
      expect(await alice.refused('POST', '/keys/upload', { one_time_keys: { [name]: key } })).toBe(
        '400 M_INVALID_PARAM',
      )
      expect(await alice.refused('POST', '/keys/upload', { fallback_keys: { [name]: key } })).toBe(
        '400 M_INVALID_PARAM',
      )
    }
    const query = await bob.post('/keys/query', { device_keys: { [alice.userId]: [] } })
    expect(query.device_keys).toEqual({ [alice.userId]: {} })
    const hostile = { '__proto__:x': { key: 'a', signatures: {} }, 'constructor:prototype': 'b' }
    const counts = await alice.post('/keys/upload', { one_time_keys: hostile })
    expect(counts.one_time_key_counts).toEqual({ signed_curve25519: 0, ['__proto__']: 1, constructor: 1 })
    const odd = { [alice.userId]: { [alice.deviceId]: 'constructor', '\0': 'a' }, 'a\0': { b: 'c' } }
    const claimed = await bob.post('/keys/claim', { one_time_keys: odd })
    expect(claimed.one_time_keys[alice.userId][alice.deviceId]).toEqual({ 'constructor:prototype': 'b' })
  })

  test('one-time keys are given away in the order of their uploads, each once, and then the fallback key', async () => {
    const [alice, bob] = [await person(), await person()]
    await alice.post('/keys/upload', { one_time_keys: oneTimeKeys(['Z1']) })
    await alice.post('/keys/upload', { one_time_keys: oneTimeKeys(['A2', 'B2']) })
    const fallback = { 'signed_curve25519:F': { key: 'fall', fallback: true, signatures: {} } }
    const upload = await alice.post('/keys/upload', { fallback_keys: fallback, one_time_keys: oneTimeKeys(['A0']) })
    expect(upload.one_time_key_counts).toEqual({ signed_curve25519: 4 })
    const names: string[] = []
    for (let n = 0; n < 4; n++) names.push(...Object.keys(await claim(bob, alice)))
    expect([names[0], names.slice(1, 3).sort(), names[3]]).toEqual([
      'signed_curve25519:Z1',
      ['signed_curve25519:A2', 'signed_curve25519:B2'],
      'signed_curve25519:A0',
    ])
    expect((await alice.sync()).device_unused_fallback_key_types).toEqual(['signed_curve25519'])
    expect(await claim(bob, alice)).toEqual(fallback)
    expect(await claim(bob, alice)).toEqual(fallback)
    const counts = await alice.sync()
    expect(counts.device_unused_fallback_key_types).toEqual([])
    expect(counts.device_one_time_keys_count).toEqual({ signed_curve25519: 0 })
    // The same again stays used; another one takes its place.
    await alice.post('/keys/upload', { fallback_keys: fallback })
    expect((await alice.sync()).device_unused_fallback_key_types).toEqual([])
    const next = { 'signed_curve25519:G': { key: 'next', fallback: true, signatures: {} } }
    await alice.post('/keys/upload', { fallback_keys: next })
    expect((await alice.sync()).device_unused_fallback_key_types).toEqual(['signed_curve25519'])
    expect(await claim(bob, alice)).toEqual(next)
    expect(await claim(bob, alice, 'other')).toBeUndefined()
    const two = { 'signed_curve25519:H': 'h', 'signed_curve25519:I': 'i' }
    expect(await alice.refused('POST', '/keys/upload', { fallback_keys: two })).toBe('400 M_INVALID_PARAM')
  })

  test('an upload that is repeated changes nothing, not even when its keys were claimed meanwhile', async () => {
    const [alice, bob] = [await person(), await person()]
    const keys = oneTimeKeys(['A', 'B'])
    await alice.post('/keys/upload', { one_time_keys: keys })
    const first = await claim(bob, alice)
    const again = await alice.post('/keys/upload', { one_time_keys: keys })
    expect(again.one_time_key_counts).toEqual({ signed_curve25519: 1 })
    const rest = [await claim(bob, alice), await claim(bob, alice)]
    expect([first, ...rest]).toEqual([
      { 'signed_curve25519:A': keys['signed_curve25519:A'] },
      { 'signed_curve25519:B': keys['signed_curve25519:B'] },
      undefined,
    ])
    for (const id of ['A', 'B'])
      expect(
        await alice.refused('POST', '/keys/upload', {
          one_time_keys: { ...oneTimeKeys(['C']), ...oneTimeKeys([id], 'other') },
        }),
      ).toBe('400 M_INVALID_PARAM')
    expect(await claim(bob, alice)).toBeUndefined()
  })

  test('many who claim at once get different keys', async () => {
    const [alice, bob] = [await person(), await person()]
    await alice.post('/keys/upload', { one_time_keys: oneTimeKeys(Array.from({ length: 20 }, (_, n) => `K${n}`)) })
    const claims = await Promise.all(Array.from({ length: 24 }, () => claim(bob, alice)))
    const given = claims.flatMap((keys) => (keys === undefined ? [] : Object.keys(keys)))
    expect([given.length, new Set(given).size]).toEqual([20, 20])
  })

  test('a claim wakes the device, which learns what is left', async () => {
    const [alice, bob] = [await person(), await person()]
    const aliceElsewhere = await secondDevice(alice)
    await alice.post('/keys/upload', { one_time_keys: oneTimeKeys(['A', 'B']) })
    const since = await alice.sync()
    expect(since.device_one_time_keys_count).toEqual({ signed_curve25519: 2 })
    expect((await aliceElsewhere.sync()).device_one_time_keys_count).toEqual({ signed_curve25519: 0 })
    const poll = alice.sync(since, { timeout: 30_000 })
    await claim(bob, alice)
    expect((await poll).device_one_time_keys_count).toEqual({ signed_curve25519: 1 })
  })

  test('what one request may hold is bounded', async () => {
    const alice = await person()
    const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `K${from + n}`)
    const upload = (keys: Json) => alice.refused('POST', '/keys/upload', { one_time_keys: keys })
    expect(await upload(oneTimeKeys(ids(0, 501)))).toBe('400 M_INVALID_PARAM')
    for (const from of [0, 500]) await alice.post('/keys/upload', { one_time_keys: oneTimeKeys(ids(from, 500)) })
    expect(await upload(oneTimeKeys(ids(1_000, 1)))).toBe('413 M_TOO_LARGE')
    const users = (count: number) => Object.fromEntries(ids(0, count).map((id) => [`@${id}:test.example`, []]))
    expect(await alice.refused('POST', '/keys/query', { device_keys: users(1_001) })).toBe('413 M_TOO_LARGE')
    await alice.post('/keys/query', { device_keys: users(1_000) })
    const devices = Object.fromEntries(ids(0, 1_001).map((id) => [id, 'signed_curve25519']))
    const many = { one_time_keys: { [alice.userId]: devices } }
    expect(await alice.refused('POST', '/keys/claim', many)).toBe('413 M_TOO_LARGE')
  })

  test('keys go with their device', async () => {
    const [alice, bob] = [await person(), await person()]
    const other = await secondDevice(alice)
    const { keys } = deviceKeysOf(other)
    await other.post('/keys/upload', { device_keys: keys, one_time_keys: oneTimeKeys(['A']) })
    await other.post('/logout')
    const query = await bob.post('/keys/query', { device_keys: { [alice.userId]: [] } })
    expect(query.device_keys).toEqual({ [alice.userId]: {} })
    expect(await claim(bob, other)).toBeUndefined()
  })
})
