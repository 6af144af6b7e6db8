import { expect, test } from 'vitest'
import { eachServer } from '../helpers/each-server.ts'
import { enter, type Json, type Session } from '../helpers/session.ts'

const DEVICE = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const DATA = { algorithm: 'org.matrix.msc3814.v2', device_pickle: 'pickle', nonce: 'nonce' }

function deviceKeys(userId: string, deviceId: string) {
  return {
    user_id: userId,
    device_id: deviceId,
    algorithms: ['m.olm.v1.curve25519-aes-sha2', 'm.megolm.v1.aes-sha2'],
    keys: { [`ed25519:${deviceId}`]: `sign${deviceId}`, [`curve25519:${deviceId}`]: `curve${deviceId}` },
    signatures: { [userId]: { [`ed25519:${deviceId}`]: 'signature' } },
    dehydrated: true,
  }
}

function dehydrated(user: Session, deviceId: string) {
  const key = { key: 'one', signatures: { [user.userId]: { [`ed25519:${deviceId}`]: 'signature' } } }
  return {
    device_id: deviceId,
    device_data: DATA,
    initial_device_display_name: 'Dehydrated device',
    device_keys: deviceKeys(user.userId, deviceId),
    one_time_keys: { 'signed_curve25519:AAA': key },
    fallback_keys: { 'signed_curve25519:BBB': { ...key, fallback: true } },
  }
}

eachServer({}, (server) => {
  const tell = (from: Session, to: Session, deviceId: string, n: number) =>
    from.put(`/sendToDevice/org.example.n/${deviceId}${n}`, { messages: { [to.userId]: { [deviceId]: { n } } } })
  const numbers = (page: Json) => page.events.map((event: Json) => event.content.n)

  test('a dehydrated device is seen by others, gives keys, and takes messages for the next one', async () => {
    const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
    expect(await alice.refused('GET', DEVICE)).toBe('404 M_NOT_FOUND')
    expect(await alice.put(DEVICE, dehydrated(alice, 'DRY'))).toEqual({ device_id: 'DRY' })
    expect(await alice.get(DEVICE)).toEqual({ device_id: 'DRY', device_data: DATA })
    const { device_keys: keys } = await bob.post('/keys/query', { device_keys: { [alice.userId]: [] } })
    expect(keys[alice.userId].DRY).toMatchObject(deviceKeys(alice.userId, 'DRY'))
    const wanted = { one_time_keys: { [alice.userId]: { DRY: 'signed_curve25519' } } }
    const claimed = await bob.post('/keys/claim', wanted)
    expect(claimed.one_time_keys[alice.userId].DRY['signed_curve25519:AAA'].key).toBe('one')
    expect((await bob.post('/keys/claim', wanted)).one_time_keys[alice.userId].DRY).toMatchObject({
      'signed_curve25519:BBB': { fallback: true },
    })
    const listed = (await alice.get('/devices')).devices
    expect(listed).toContainEqual({ device_id: 'DRY', display_name: 'Dehydrated device' })

    for (let n = 0; n < 103; n++) await tell(bob, alice, 'DRY', n)
    const first = await alice.get(`${DEVICE}/DRY/events`)
    expect(numbers(first)).toEqual(Array.from({ length: 100 }, (_, n) => n))
    expect(first.events[0]).toEqual({ type: 'org.example.n', sender: bob.userId, content: { n: 0 } })
    const rest = await alice.get(`${DEVICE}/DRY/events?from=${first.next_batch}`)
    expect([numbers(rest), rest.next_batch]).toEqual([[100, 101, 102], undefined])
    // As older clients ask: until there is nothing.
    let page = await alice.post(`${DEVICE}/DRY/events`)
    const all: number[] = []
    while (page.events.length > 0) {
      all.push(...numbers(page))
      page = await alice.post(`${DEVICE}/DRY/events`, { next_batch: page.next_batch })
    }
    expect(all).toHaveLength(103)
    expect(await alice.refused('GET', `${DEVICE}/DRY/events?from=x`)).toBe('400 M_INVALID_PARAM')
    for (const [user, deviceId] of [
      [alice, alice.deviceId],
      [bob, 'DRY'],
    ] as const)
      expect(await user.refused('GET', `${DEVICE}/${deviceId}/events`)).toBe('404 M_NOT_FOUND')
  })

  test('a new one takes the place of the old one; deleted, it is gone with all it had', async () => {
    const [carol, dave] = [await enter(server, 'carol'), await enter(server, 'dave')]
    const room = await carol.createRoom({ invite: [dave.userId] })
    await dave.join(room)
    await carol.put(DEVICE, dehydrated(carol, 'OLD'))
    await tell(dave, carol, 'OLD', 1)
    const since = await dave.sync()
    await carol.put(DEVICE, dehydrated(carol, 'NEW'))
    expect((await carol.get(DEVICE)).device_id).toBe('NEW')
    expect(await carol.refused('GET', `${DEVICE}/OLD/events`)).toBe('404 M_NOT_FOUND')
    const known = async () =>
      Object.keys((await dave.post('/keys/query', { device_keys: { [carol.userId]: [] } })).device_keys[carol.userId])
    expect(await known()).toEqual(['NEW'])
    expect((await dave.sync(since)).device_lists.changed).toEqual([carol.userId])
    // The same again is a new one under the old name.
    await tell(dave, carol, 'NEW', 2)
    await carol.put(DEVICE, dehydrated(carol, 'NEW'))
    expect(numbers(await carol.get(`${DEVICE}/NEW/events`))).toEqual([])
    expect(await carol.delete(DEVICE)).toEqual({ device_id: 'NEW' })
    expect(await carol.refused('DELETE', DEVICE)).toBe('404 M_NOT_FOUND')
    expect(await known()).toEqual([])
    expect((await carol.get('/devices')).devices.map((device: Json) => device.device_id)).toEqual([carol.deviceId])
  })

  test('a device that somebody uses is never dried, and one that was logged in to is alive', async () => {
    const erin = await enter(server, 'erin')
    const own = dehydrated(erin, erin.deviceId)
    expect(await erin.refused('PUT', DEVICE, own)).toBe('400 M_INVALID_PARAM')
    const foreign = { ...dehydrated(erin, 'DRY'), device_keys: deviceKeys(erin.userId, 'OTHER') }
    expect(await erin.refused('PUT', DEVICE, foreign)).toBe('400 M_BAD_JSON')
    const { device_keys: _, ...without } = dehydrated(erin, 'DRY')
    expect(await erin.refused('PUT', DEVICE, without)).toBe('400 M_MISSING_PARAM')
    const large = { ...dehydrated(erin, 'DRY'), device_data: { ...DATA, more: 'x'.repeat(65_536) } }
    expect(await erin.refused('PUT', DEVICE, large)).toBe('413 M_TOO_LARGE')
    expect((await erin.get('/devices')).devices).toHaveLength(1)
    await erin.put(DEVICE, dehydrated(erin, 'DRY'))
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'erin' }, device_id: 'DRY' }
    const reply = await server.call('POST', '/_matrix/client/v3/login', {
      body: { ...login, password: 'correct horse battery' },
    })
    expect(reply.status).toBe(200)
    expect(await erin.refused('GET', DEVICE)).toBe('404 M_NOT_FOUND')
    expect(await erin.refused('PUT', DEVICE, dehydrated(erin, 'DRY'))).toBe('400 M_INVALID_PARAM')
  })

  test('of many made at once one is left', async () => {
    const frank = await enter(server, 'frank')
    await Promise.all(Array.from({ length: 5 }, (_, n) => frank.put(DEVICE, dehydrated(frank, `DRY${n}`))))
    const { device_id: left } = await frank.get(DEVICE)
    const devices = (await frank.get('/devices')).devices.map((device: Json) => device.device_id)
    expect(devices.sort()).toEqual([left, frank.deviceId].sort())
  })
})
