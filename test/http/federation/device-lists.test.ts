import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { signJson } from '../../../src/core/sign.ts'
import { startStaleDeviceLists } from '../../../src/followers/stale-device-lists.ts'
import { freshPostgres } from '../../helpers/databases.ts'
import { crossSigningOf, deviceKeysOf, oneTimeKeys } from '../../helpers/device-keys.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import { handTime } from '../../helpers/hand-time.ts'
import { TEST_PASSWORD, type TestServer } from '../../helpers/server.ts'
import { inRoom, type Json, type Session, sessionOf } from '../../helpers/session.ts'

const HOUR_MS = 3_600_000
const engines = process.env.DENDRITE_TEST_POSTGRES === undefined ? ['sqlite'] : ['sqlite', 'postgres']

describe.each(engines)('on %s', (engine) => {
  let network: TestNetwork
  let a: TestServer
  let b: TestServer
  let alice: Session
  let bob: Session
  let roomId: string
  let rooms = 0
  const undo: (() => Promise<void>)[] = []
  const start = async (name: string) =>
    network.start(name, engine === 'postgres' ? (await freshPostgres(undo)).options.connectionString : undefined)
  beforeAll(async () => {
    network = createTestNetwork()
    a = await start('a.example')
    b = await start('b.example')
    undo.push(() => network.stop())
  })
  afterAll(async () => {
    for (const step of undo.reverse()) await step()
  })
  /** Alice at a and bob at b, in a room of theirs. */
  beforeEach(async () => {
    const n = rooms++
    alice = sessionOf(a, await a.register(`alice${n}`))
    bob = sessionOf(b, await b.register(`bob${n}`))
    roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: `tea${n}` })
    await bob.post(`/join/${encodeURIComponent(`#tea${n}:a.example`)}`)
    await settled(a, b)
    network.carried.length = 0
  })

  let transactions = 0
  /** As the server a would send it. */
  const sendEdu = (type: string, content: Json) =>
    network.ask(a, 'b.example', {
      method: 'PUT',
      uri: `/_matrix/federation/v1/send/edu${transactions++}`,
      content: { edus: [{ content, edu_type: type }], pdus: [] },
    })

  /** Alice's keys, as bob is shown them. */
  const query = async (options: Json = {}) =>
    bob.post('/keys/query', { device_keys: { [alice.userId]: [] }, ...options })
  const devices = async () => (await query()).device_keys[alice.userId]
  /** How often the device list of alice was read as a whole. */
  const readings = () => network.carried.filter(({ uri }) => uri.includes('/user/devices/')).length
  const queries = () => network.carried.filter(({ uri }) => uri.includes('/user/keys/query')).length
  const phone = () => alice.deviceId

  test('a list is read once and followed: new keys, names, devices and logouts are heard of and known', async () => {
    const first = deviceKeysOf(alice).keys
    await alice.post('/keys/upload', { device_keys: first })
    await settled(a, b)
    let since = await bob.sync()
    expect(await devices()).toEqual({ [phone()]: { ...first, unsigned: {} } })
    const whole = readings()
    const next = async (change: () => Promise<unknown>) => {
      await change()
      await settled(a, b)
      since = await bob.sync(since)
      return since.device_lists
    }
    const changed = { changed: [alice.userId] }
    const second = deviceKeysOf(alice).keys
    expect(await next(() => alice.post('/keys/upload', { device_keys: second }))).toEqual(changed)
    expect(await devices()).toEqual({ [phone()]: { ...second, unsigned: {} } })
    // The name of a device is nothing that other servers are told.
    expect(await next(() => alice.put(`/devices/${phone()}`, { display_name: 'phone' }))).toEqual(changed)
    expect(await devices()).toEqual({ [phone()]: { ...second, unsigned: {} } })
    const body = { type: 'm.login.password', user: alice.userId, password: TEST_PASSWORD }
    let other = alice
    const logIn = async () => {
      const reply = await a.call('POST', '/_matrix/client/v3/login', { body })
      other = sessionOf(a, { ...alice, token: String(reply.body.access_token), deviceId: String(reply.body.device_id) })
      await other.post('/keys/upload', { device_keys: deviceKeysOf(other).keys })
    }
    expect(await next(logIn)).toEqual(changed)
    expect(Object.keys(await devices()).sort()).toEqual([phone(), other.deviceId].sort())
    expect(await next(() => other.post('/logout'))).toEqual(changed)
    expect(Object.keys(await devices())).toEqual([phone()])
    expect([readings(), queries()]).toEqual([whole, 0])
  })

  test('cross-signing keys and signatures are heard of, user-signing keys are not told', async () => {
    const { key, keys } = deviceKeysOf(alice)
    await alice.post('/keys/upload', { device_keys: keys })
    await devices()
    const since = await bob.sync()
    const { upload, selfSigning, master } = crossSigningOf(alice.userId)
    await alice.post('/keys/device_signing/upload', upload)
    await settled(a, b)
    expect((await bob.sync(since)).device_lists.changed).toEqual([alice.userId])
    const found = await query()
    expect([found.master_keys, found.self_signing_keys, found.user_signing_keys]).toEqual([
      { [alice.userId]: upload.master_key },
      { [alice.userId]: upload.self_signing_key },
      undefined,
    ])
    const [device, signedMaster] = [
      signJson(keys, alice.userId, selfSigning) as Json,
      signJson(upload.master_key, alice.userId, key) as Json,
    ]
    const signed = { [alice.userId]: { [phone()]: device, [master.publicKey]: signedMaster } }
    expect((await alice.post('/keys/signatures/upload', signed)).failures).toEqual({})
    await settled(a, b)
    const after = await query()
    expect(after.device_keys[alice.userId][phone()].signatures).toEqual(device.signatures)
    expect(after.master_keys[alice.userId].signatures).toEqual(signedMaster.signatures)
    // Bob trusts alice: his server keeps what he signed, for him alone.
    const bobs = crossSigningOf(bob.userId)
    await bob.post('/keys/device_signing/upload', bobs.upload)
    const trusted = signJson(upload.master_key, bob.userId, bobs.userSigning) as Json
    const trust = { [alice.userId]: { [master.publicKey]: trusted } }
    expect((await bob.post('/keys/signatures/upload', trust)).failures).toEqual({})
    const seen = (await query()).master_keys[alice.userId].signatures
    expect(Object.keys(seen).sort()).toEqual([alice.userId, bob.userId])
  })

  test('a change that was missed leads to a reading of the whole list, and so does a room that was left', async () => {
    await alice.post('/keys/upload', { device_keys: deviceKeysOf(alice).keys })
    await settled(a, b)
    await devices()
    const since = await bob.sync()
    const before = readings()
    const { keys } = deviceKeysOf(alice)
    const update = { user_id: alice.userId, device_id: 'GHOST', stream_id: 900, prev_id: [899], keys: {} }
    await sendEdu('m.device_list_update', { ...update, keys: { ...keys, device_id: 'GHOST' } })
    await settled(a, b)
    expect(readings()).toBe(before + 1)
    expect(Object.keys(await devices())).toEqual([phone()])
    expect((await bob.sync(since)).device_lists).toBeUndefined()
    // While bob is away his server hears of nothing.
    await bob.post(`${inRoom(roomId)}/leave`)
    await settled(a, b)
    const renewed = deviceKeysOf(alice).keys
    await alice.post('/keys/upload', { device_keys: renewed })
    await bob.post(`/join/${encodeURIComponent(roomId)}?via=a.example`)
    await settled(a, b)
    expect(await devices()).toEqual({ [phone()]: { ...renewed, unsigned: {} } })
    expect(readings()).toBe(before + 2)
    await devices()
    expect(readings()).toBe(before + 2)
  })

  test('a list that could not be read stays stale until it can', async () => {
    await alice.post('/keys/upload', { device_keys: deviceKeysOf(alice).keys })
    await settled(a, b)
    await devices()
    network.cut('a.example', true)
    const update = { user_id: alice.userId, device_id: 'GHOST', stream_id: 900, prev_id: [899] }
    await sendEdu('m.device_list_update', update)
    await settled(b)
    const reply = await query({ timeout: 500 })
    expect([reply.device_keys, reply.failures]).toEqual([{}, { 'a.example': {} }])
    network.cut('a.example', false)
    expect(Object.keys(await devices())).toEqual([phone()])
  })

  test('a server that is away is asked for a stale list again, after pauses that grow', async () => {
    await devices()
    const { keys } = deviceKeysOf(alice)
    await alice.post('/keys/upload', { device_keys: keys })
    await settled(a, b)
    network.cut('a.example', true)
    await sendEdu('m.device_list_update', { user_id: alice.userId, device_id: 'GHOST', stream_id: 900, prev_id: [899] })
    await settled(b)
    const time = handTime(b.app.clock.now() + HOUR_MS)
    const follower = await startStaleDeviceLists({ ...b.app, ...time })
    for (const pauseMs of [10_000, 20_000]) {
      await time.alarmIn(pauseMs)
      time.pass(pauseMs)
    }
    await time.alarmIn(40_000)
    network.cut('a.example', false)
    network.carried.length = 0
    time.pass(40_000)
    await settled(b)
    await follower.idle()
    await follower.stop()
    expect(readings()).toBe(1)
    expect(await devices()).toEqual({ [phone()]: { ...keys, unsigned: {} } })
    expect(readings()).toBe(1)
  })

  test('servers speak for their own users, to those who share a room with them, and in the right shape', async () => {
    const carol = sessionOf(b, await b.register(`carol${rooms}`))
    const stranger = sessionOf(a, await a.register(`stranger${rooms}`))
    for (const user of [alice, carol, stranger]) {
      await user.post('/keys/upload', { device_keys: deviceKeysOf(user).keys })
      await user.post('/keys/device_signing/upload', crossSigningOf(user.userId).upload)
    }
    await settled(a, b)
    const before = await query()
    const since = await bob.sync()
    const known = readings()
    const forged = { user_id: carol.userId, device_id: carol.deviceId, stream_id: 900, prev_id: [], deleted: true }
    await sendEdu('m.device_list_update', forged)
    await sendEdu('m.device_list_update', { ...forged, user_id: stranger.userId })
    for (const wrong of [
      { ...forged, user_id: 5 },
      { ...forged, user_id: alice.userId, stream_id: 'text' },
      { ...forged, user_id: alice.userId, stream_id: -1 },
      { ...forged, user_id: alice.userId, stream_id: 2 ** 60 },
      { ...forged, user_id: alice.userId, device_id: 'a\0b' },
      { ...forged, user_id: alice.userId, device_id: 'x'.repeat(256) },
      { ...forged, user_id: alice.userId, device_id: null },
    ]) {
      await sendEdu('m.device_list_update', wrong)
    }
    const { upload } = crossSigningOf(alice.userId)
    await sendEdu('m.signing_key_update', { ...crossSigningOf(carol.userId).upload, user_id: carol.userId })
    await sendEdu('m.signing_key_update', { user_id: alice.userId, self_signing_key: upload.self_signing_key })
    await sendEdu('m.signing_key_update', { user_id: alice.userId, master_key: 'text', self_signing_key: null })
    await settled(a, b)
    expect((await bob.sync(since)).device_lists).toBeUndefined()
    expect(await query()).toEqual(before)
    expect(readings()).toBe(known)
    const carols = (await bob.post('/keys/query', { device_keys: { [carol.userId]: [] } })).device_keys
    expect(Object.keys(carols[carol.userId])).toEqual([carol.deviceId])
  })

  test('whom nobody shares a room with is asked for each time, and nothing of it is kept', async () => {
    const stranger = sessionOf(a, await a.register(`stranger${rooms}`))
    const { keys } = deviceKeysOf(stranger)
    await stranger.post('/keys/upload', { device_keys: keys })
    const { upload } = crossSigningOf(stranger.userId)
    await stranger.post('/keys/device_signing/upload', upload)
    const ask = () =>
      bob.post('/keys/query', { device_keys: { [stranger.userId]: [], '@none:a.example': [], '@x:not a server': [] } })
    const found = await ask()
    expect(found).toEqual({
      device_keys: {
        [stranger.userId]: { [stranger.deviceId]: { ...keys, unsigned: {} } },
        '@none:a.example': {},
      },
      master_keys: { [stranger.userId]: upload.master_key },
      self_signing_keys: { [stranger.userId]: upload.self_signing_key },
      failures: {},
    })
    await ask()
    expect([queries(), readings()]).toEqual([2, 0])
    // Users of a server that is not the one asked are none of its business.
    const other = { device_keys: { [bob.userId]: [], [stranger.userId]: [] } }
    const direct = await network.ask(b, 'a.example', {
      method: 'POST',
      uri: '/_matrix/federation/v1/user/keys/query',
      content: other,
    })
    expect(Object.keys(direct.device_keys as Json)).toEqual([stranger.userId])
    const refusal = network.ask(b, 'a.example', {
      method: 'GET',
      uri: `/_matrix/federation/v1/user/devices/${encodeURIComponent(bob.userId)}`,
    })
    await expect(refusal).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' })
  })

  test('one-time keys are claimed between servers, each once, and a dead server is named', async () => {
    await alice.post('/keys/upload', { one_time_keys: oneTimeKeys(['A', 'B', 'C']) })
    const wanted = { [alice.userId]: { [phone()]: 'signed_curve25519', NONE: 'signed_curve25519' } }
    const claim = (options: Json = {}) => bob.post('/keys/claim', { one_time_keys: wanted, ...options })
    const claims: Json[] = await Promise.all([claim(), claim()])
    const names = claims.flatMap((reply) => Object.keys(reply.one_time_keys[alice.userId][phone()]))
    expect(new Set(names).size).toBe(2)
    network.cut('a.example', true)
    const dead = await claim({ timeout: 300 })
    expect(dead).toEqual({ one_time_keys: {}, failures: { 'a.example': {} } })
    network.cut('a.example', false)
    expect(Object.keys((await claim()).one_time_keys[alice.userId])).toEqual([phone()])
    expect((await claim()).one_time_keys).toEqual({})
  })
})
