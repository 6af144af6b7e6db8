import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { receiveEdu } from '../../../src/actions/federation/receive-edu.ts'
import type { ServerName } from '../../../src/core/ids.ts'
import { presenceOf } from '../../../src/store/presence.ts'
import { createTestNetwork, settled, type TestNetwork } from '../../helpers/federation.ts'
import type { TestServer } from '../../helpers/server.ts'
import { type Json, type Session, sessionOf } from '../../helpers/session.ts'

let network: TestNetwork
let a: TestServer
let b: TestServer
let alice: Session
let bob: Session
let roomId: string
beforeEach(async () => {
  network = createTestNetwork()
  a = await network.start('a.example')
  b = await network.start('b.example')
  alice = sessionOf(a, await a.register('alice'))
  bob = sessionOf(b, await b.register('bob'))
  roomId = await alice.createRoom({ preset: 'public_chat', room_alias_name: 'tea' })
  await bob.post(`/join/${encodeURIComponent('#tea:a.example')}`)
  await settled(a, b)
})
afterEach(() => network.stop())

const inRoom = (rest: string) => `/rooms/${encodeURIComponent(roomId)}/${rest}`
const ephemeral = (sync: Json, type: string) =>
  (sync.rooms?.join?.[roomId]?.ephemeral?.events ?? []).find((event: Json) => event.type === type)?.content

let transactions = 0
/** As the server a would send it. */
const sendEdu = (type: string, content: Json) =>
  network.ask(a, 'b.example', {
    method: 'PUT',
    uri: `/_matrix/federation/v1/send/edu${transactions++}`,
    content: { edus: [{ content, edu_type: type }], pdus: [] },
  })

describe('between servers', () => {
  test('one sees who types, and who has stopped', async () => {
    const before = await bob.sync()
    await alice.put(inRoom(`typing/${encodeURIComponent(alice.userId)}`), { typing: true, timeout: 30_000 })
    await settled(a, b)
    const during = await bob.sync(before)
    expect(ephemeral(during, 'm.typing')).toEqual({ user_ids: [alice.userId] })
    await alice.put(inRoom(`typing/${encodeURIComponent(alice.userId)}`), { typing: false })
    await settled(a, b)
    expect(ephemeral(await bob.sync(during), 'm.typing')).toEqual({ user_ids: [] })
  })

  test('one sees what was read, but not what was read in private', async () => {
    const eventId = await bob.send(roomId, 'read me')
    await settled(a, b)
    const before = await bob.sync()
    await alice.post(inRoom(`receipt/m.read.private/${encodeURIComponent(eventId)}`))
    await settled(a, b)
    expect(ephemeral(await bob.sync(before), 'm.receipt')).toBeUndefined()
    await alice.post(inRoom(`receipt/m.read/${encodeURIComponent(eventId)}`))
    await settled(a, b)
    expect(Object.keys(ephemeral(await bob.sync(before), 'm.receipt')[eventId]['m.read'])).toEqual([alice.userId])
  })

  test('what was read is known with the message that came along', async () => {
    const before = await bob.sync()
    network.cut('b.example', true)
    const eventId = await alice.send(roomId, 'read by me')
    await alice.post(inRoom(`receipt/m.read/${encodeURIComponent(eventId)}`))
    await settled(a)
    network.cut('b.example', false)
    a.app.live.destinations.wake('b.example' as ServerName)
    await settled(a, b)
    expect(ephemeral(await bob.sync(before), 'm.receipt')[eventId]['m.read']).toHaveProperty([alice.userId])
  })

  test('a receipt that is wrong costs none of the others, of which a thousand are looked at', async () => {
    const eventId = await alice.send(roomId, 'read us')
    const carol = sessionOf(a, await a.register('carol'))
    await carol.join(roomId)
    await settled(a, b)
    const before = await bob.sync()
    const receipt = (data: Json) => ({ event_ids: [eventId], data: { ts: 1, ...data } })
    const read = { [alice.userId]: receipt({ thread_id: '$none' }), [carol.userId]: receipt({}) }
    await sendEdu('m.receipt', { [roomId]: { 'm.read': read } })
    await settled(b)
    expect(Object.keys(ephemeral(await bob.sync(before), 'm.receipt')[eventId]['m.read'])).toEqual([carol.userId])

    let looks = 0
    const { db } = b.app
    const counting = new Proxy(db, {
      get: (target, key) => {
        if (key === 'read') looks++
        return Reflect.get(target, key)
      },
    })
    const ofRoom = () =>
      Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`@u${index}:a.example`, receipt({})]))
    const content = Object.fromEntries(
      Array.from({ length: 100 }, (_, index) => [`!${index}:a.example`, { 'm.read': ofRoom() }]),
    )
    await receiveEdu({ ...b.app, db: counting }, 'a.example' as ServerName, { edu_type: 'm.receipt', content })
    expect(looks).toBe(1_000)
  })

  test('a message whose id is longer than any is not taken', async () => {
    const messages = { [bob.userId]: { '*': {} } }
    const message = (message_id: string) => ({ sender: alice.userId, type: 'm.test', message_id, messages })
    await sendEdu('m.direct_to_device', message('x'.repeat(256)))
    await sendEdu('m.direct_to_device', message('x'.repeat(255)))
    expect((await bob.sync()).to_device.events).toHaveLength(1)
  })

  test('a server that the access list keeps out says nothing of who types', async () => {
    await alice.setState(roomId, 'm.room.server_acl', { allow: ['*'], deny: ['a.*'] })
    await settled(a, b)
    const before = await bob.sync()
    await sendEdu('m.typing', { room_id: roomId, user_id: alice.userId, typing: true })
    expect(ephemeral(await bob.sync(before), 'm.typing')).toBeUndefined()
  })

  test('messages reach devices, each once', async () => {
    const content = { messages: { [bob.userId]: { '*': { n: 1 } } } }
    await alice.put('/sendToDevice/m.test/one', content)
    await alice.put('/sendToDevice/m.test/one', content)
    await settled(a, b)
    const sync = await bob.sync()
    expect(sync.to_device.events).toEqual([{ content: { n: 1 }, sender: alice.userId, type: 'm.test' }])
    const again = network.carried.find(({ body }) => body?.includes('m.direct_to_device'))!
    await sendEdu('m.direct_to_device', JSON.parse(again.body!).edus[0].content)
    expect((await bob.sync(sync)).to_device?.events ?? []).toEqual([])
  })

  test('a server speaks for its own users alone, and for members', async () => {
    const before = await bob.sync()
    const eventId = await bob.send(roomId, 'read me')
    await sendEdu('m.typing', { room_id: roomId, user_id: bob.userId, typing: true })
    await sendEdu('m.typing', { room_id: roomId, user_id: '@stranger:a.example', typing: true })
    await sendEdu('m.receipt', { [roomId]: { 'm.read': { [bob.userId]: { event_ids: [eventId], data: { ts: 1 } } } } })
    await sendEdu('m.direct_to_device', {
      sender: '@bob:b.example',
      type: 'm.test',
      message_id: 'x',
      messages: { [bob.userId]: { '*': {} } },
    })
    await sendEdu('m.presence', { push: [{ user_id: bob.userId, presence: 'offline', last_active_ago: 5 }] })
    for (const malformed of [{}, { push: 7 }, { messages: [] }, { [roomId]: null }]) {
      for (const type of ['m.typing', 'm.receipt', 'm.presence', 'm.direct_to_device']) await sendEdu(type, malformed)
    }
    const after = await bob.sync(before)
    expect([ephemeral(after, 'm.typing'), ephemeral(after, 'm.receipt'), after.to_device?.events ?? []]).toEqual([
      undefined,
      undefined,
      [],
    ])
    // The same of its own user counts: what was refused was refused for its name.
    await sendEdu('m.typing', { room_id: roomId, user_id: alice.userId, typing: true })
    expect(ephemeral(await bob.sync(after), 'm.typing')).toEqual({ user_ids: [alice.userId] })
  })
})

test('the users of one EDU of presence are noted, of a name that comes twice the last', async () => {
  const presence = { global: { presence: { enable_inbound: true, enable_outbound: true } } }
  const c = await network.start('c.example', undefined, presence)
  const said = (name: string, status: string) => ({
    user_id: `@${name}:a.example`,
    presence: 'online',
    status_msg: status,
  })
  const push = [said('x', 'one'), said('y', 'two'), said('x', 'three'), said('z', 'long'.repeat(1_000))]
  await receiveEdu(c.app, 'a.example' as ServerName, { edu_type: 'm.presence', content: { push } })
  const status = async (name: string) => (await presenceOf(c.app.db, `@${name}:a.example`))?.status_msg
  expect([await status('x'), await status('y'), await status('z')]).toEqual(['three', 'two', undefined])
  const strange = [1e300, 0.5].map((last_active_ago, index) => ({ ...said(`old${index}`, ''), last_active_ago }))
  await receiveEdu(c.app, 'a.example' as ServerName, { edu_type: 'm.presence', content: { push: strange } })
  const times = strange.map(async ({ user_id }) => (await presenceOf(c.app.db, user_id))!.last_active_ts)
  expect((await Promise.all(times)).map((time) => Number.isSafeInteger(time) && time >= 0)).toEqual([true, true])
})

test('a server that comes into a room is told of the presence of those who are there', async () => {
  const presence = { global: { presence: { enable_inbound: true, enable_outbound: true } } }
  const c = await network.start('c.example', undefined, presence)
  const d = await network.start('d.example', undefined, presence)
  const carol = sessionOf(c, await c.register('carol'))
  const dan = sessionOf(d, await d.register('dan'))
  await carol.put(`/presence/${encodeURIComponent(carol.userId)}/status`, { presence: 'online', status_msg: 'tea' })
  const room = await carol.createRoom({ preset: 'public_chat' })
  await dan.post(`/join/${encodeURIComponent(room)}?via=c.example`)
  await settled(c, d)
  const { events } = (await dan.sync()).presence
  expect(events.find((event: Json) => event.sender === carol.userId).content).toMatchObject({ status_msg: 'tea' })
})
