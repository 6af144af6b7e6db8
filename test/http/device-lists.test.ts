import { expect, test } from 'vitest'
import { deviceKeysOf } from '../helpers/device-keys.ts'
import { eachServer } from '../helpers/each-server.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'
import { enter, inRoom, type Json, type Session, sessionOf } from '../helpers/session.ts'

eachServer({}, (server) => {
  let people = 100
  const person = (): Promise<Session> => enter(server, `person${people++}`)

  async function logIn({ userId }: Session): Promise<Session> {
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user: userId }, password: TEST_PASSWORD }
    const reply = await server.call('POST', '/_matrix/client/v3/login', { body })
    const { access_token: token, device_id: deviceId } = reply.body
    return sessionOf(server, { userId, token: String(token), deviceId: String(deviceId) })
  }

  /** Three people of whom the first two share a room. */
  async function company() {
    const [alice, bob, carol] = [await person(), await person(), await person()]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    return { alice, bob, carol, roomId }
  }

  const uploadKeys = (device: Session, name: string) =>
    device.post('/keys/upload', { device_keys: deviceKeysOf(device, name).keys })

  test('whoever shares a room hears at once that a device came, got keys, got a name and went', async () => {
    const { alice, bob, carol } = await company()
    let since = await alice.sync()
    const carolSince = await carol.sync()
    const next = async (change: () => Promise<unknown>): Promise<Json> => {
      const poll = alice.sync(since, { timeout: 30_000 })
      await change()
      since = await poll
      return since.device_lists
    }
    const bobChanged = { changed: [bob.userId] }
    let phone = bob
    const arrives = async () => {
      phone = await logIn(bob)
    }
    expect(await next(arrives)).toEqual(bobChanged)
    expect(await next(() => uploadKeys(phone, 'one'))).toEqual(bobChanged)
    expect(await next(() => uploadKeys(phone, 'two'))).toEqual(bobChanged)
    expect(await next(() => phone.put(`/devices/${phone.deviceId}`, { display_name: 'phone' }))).toEqual(bobChanged)
    expect(await next(() => phone.post('/logout'))).toEqual(bobChanged)
    expect((await alice.sync(since)).device_lists).toBeUndefined()
    expect((await carol.sync(carolSince)).device_lists).toBeUndefined()
  })

  test('the same keys again are no change, and a user hears of their own devices', async () => {
    const { alice, bob } = await company()
    const { keys } = deviceKeysOf(bob)
    await bob.post('/keys/upload', { device_keys: keys })
    const since = await alice.sync()
    await bob.post('/keys/upload', { device_keys: keys })
    expect((await alice.sync(since)).device_lists).toBeUndefined()
    const own = await bob.sync()
    await logIn(bob)
    expect((await bob.sync(own)).device_lists).toEqual({ changed: [bob.userId] })
  })

  test('passwords that end sessions, and accounts that end, are heard of', async () => {
    const { alice, bob } = await company()
    await logIn(bob)
    let since = await alice.sync()
    const auth = { type: 'm.login.password', user: bob.userId, password: TEST_PASSWORD }
    await bob.post('/account/password', { new_password: TEST_PASSWORD, auth })
    since = await alice.sync(since)
    expect(since.device_lists).toEqual({ changed: [bob.userId] })
    await bob.post('/account/deactivate', { auth })
    since = await alice.sync(since)
    expect(since.device_lists).toEqual({ left: [bob.userId] })
  })

  test('who comes is met, on both sides, and who shares the last room no more has left', async () => {
    const { alice, bob, carol, roomId } = await company()
    const second = await alice.createRoom({ preset: 'public_chat' })
    const [a0, c0] = [await alice.sync(), await carol.sync()]
    await carol.join(roomId)
    const [a1, c1] = [await alice.sync(a0), await carol.sync(c0)]
    expect(a1.device_lists).toEqual({ changed: [carol.userId] })
    expect([c1.device_lists.changed.sort(), c1.device_lists.left]).toEqual([[alice.userId, bob.userId], undefined])
    await carol.join(second)
    await carol.post(`${inRoom(roomId)}/leave`)
    const [a2, c2] = [await alice.sync(a1), await carol.sync(c1)]
    expect(a2.device_lists).toEqual({ changed: [carol.userId] })
    expect(c2.device_lists.left).toEqual([bob.userId])
    await carol.post(`${inRoom(second)}/leave`)
    await carol.post(`${inRoom(second)}/forget`)
    const [a3, c3] = [await alice.sync(a2), await carol.sync(c2)]
    expect([a3.device_lists, c3.device_lists]).toEqual([{ left: [carol.userId] }, { left: [alice.userId] }])
    expect((await alice.sync(a3)).device_lists).toBeUndefined()
  })

  test('a sync that missed a lot, and one that shows nothing of the room, tell of the lists all the same', async () => {
    const { alice, bob, carol, roomId } = await company()
    const [a0, b0] = [await alice.sync(), await bob.sync()]
    await bob.post(`${inRoom(roomId)}/leave`)
    await uploadKeys(bob, 'while away')
    await alice.post(`${inRoom(roomId)}/invite`, { user_id: carol.userId })
    await bob.join(roomId)
    for (let n = 0; n < 30; n++) await alice.send(roomId, `message ${n}`)
    await alice.setState(roomId, 'm.room.member', { membership: 'join', displayname: 'new name' }, alice.userId)
    const hidden = { filter: { room: { rooms: [], timeline: { limit: 1 } } } }
    for (const options of [{}, hidden]) {
      const lists = (await alice.sync(a0, options)).device_lists
      expect([lists.changed.sort(), lists.left]).toEqual([[bob.userId, carol.userId], undefined])
    }
    // A new name is no new device.
    expect((await bob.sync(b0)).device_lists.changed.sort()).toEqual([alice.userId, bob.userId, carol.userId])
    await alice.setState(roomId, 'm.room.member', { membership: 'join', displayname: 'newer name' }, alice.userId)
    const b1 = await bob.sync()
    await alice.setState(roomId, 'm.room.member', { membership: 'join', displayname: 'newest name' }, alice.userId)
    expect((await bob.sync(b1)).device_lists).toBeUndefined()
  })

  test('changes between two tokens can be asked for', async () => {
    const { alice, bob, carol, roomId } = await company()
    const a0 = await alice.sync()
    await uploadKeys(bob, 'first')
    const a1 = await alice.sync(a0)
    await carol.join(roomId)
    await bob.post(`${inRoom(roomId)}/leave`)
    const a2 = await alice.sync(a1)
    const changes = (from: Json, to: Json) => alice.get(`/keys/changes?from=${from.next_batch}&to=${to.next_batch}`)
    expect(await changes(a1, a2)).toEqual({ changed: [carol.userId], left: [bob.userId] })
    expect(await changes(a2, a2)).toEqual({ changed: [], left: [] })
    expect(await changes(a0, a1)).toEqual({ changed: [], left: [] })
    expect(await alice.refused('GET', '/keys/changes?from=x&to=y')).toBe('400 M_INVALID_PARAM')
    expect(await alice.refused('GET', '/keys/changes?from=x')).toBe('400 M_MISSING_PARAM')
  })
})
