import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { buildEvent, type Event } from '../../src/core/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { serverAllowed } from '../../src/core/server-acl.ts'
import { sql } from '../../src/db/sql.ts'
import { federationPath } from '../../src/remote/ask-server.ts'
import { createTestNetwork, settled } from '../helpers/federation.ts'
import { enter, inRoom, type Json, type Session } from '../helpers/session.ts'
import { idOf, peers, signedAgain } from './peers.ts'

/** What a bad peer does in a room of ours that it is in, by the numbers of our catalogue. */
const met = peers()
let carol: Session
let transactions = 0
beforeAll(async () => {
  carol = await enter(met.b, 'carol')
  // From here on a says by hand what it says.
  await met.a.followers.stop()
})

/** A room of bob's, with alice and carol in it. */
async function sharedRoom(wish: object = {}): Promise<RoomId> {
  const roomId = (await met.bob.createRoom({ preset: 'public_chat', ...wish })) as RoomId
  await met.alice.post(`/join/${encodeURIComponent(roomId)}?via=b.example`)
  await carol.join(roomId)
  return roomId
}

type Wish = Partial<Event> & Pick<Event, 'type'>

/** An event of alice's that a signs, which names what a right one at the end of the room would name. */
async function made(roomId: RoomId, version: string, wish: Wish): Promise<Event> {
  const state: Json[] = await met.bob.get(`${inRoom(roomId)}/state`)
  const target = wish.type === 'm.room.member' ? wish.stateKey : undefined
  const named = ['m.room.power_levels', 'm.room.member', ...(version === '12' ? [] : ['m.room.create'])]
  if (['join', 'invite'].includes(own(wish.content, 'membership'))) named.push('m.room.join_rules')
  const authority = state.filter(
    ({ type, state_key: key, content }) =>
      named.includes(type) &&
      (type !== 'm.room.member' ||
        [met.alice.userId, target, own(wish.content, 'join_authorised_via_users_server')].includes(key)) &&
      content !== undefined,
  )
  const heads = await met.b.app.db.read<{ event_id: EventId }>(sql`SELECT e.event_id FROM heads h
    JOIN events e ON e.event = h.event JOIN rooms r ON r.room = h.room WHERE r.room_id = ${roomId}`)
  const draft = {
    ...{ roomId, stateKey: null, sender: met.alice.userId as UserId, content: {}, depth: 100 },
    ...{ prevEvents: heads.map(({ event_id }) => event_id), authEvents: authority.map(({ event_id }) => event_id) },
    ...{ originServerTs: Date.now(), ...wish },
  }
  return buildEvent(roomVersion(version)!, draft as never, 'a.example' as ServerName, met.a.app.key)
}

const own = (content: unknown, key: string) => (content as Json)?.[key]

async function tell(pdus: readonly JsonObject[], edus: readonly JsonObject[] = []): Promise<void> {
  const uri = federationPath`/v1/send/${`rooms${transactions++}`}`
  const content = { edus, origin: 'a.example', origin_server_ts: Date.now(), pdus }
  await met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content })
  await settled(met.b)
}

async function isAccepted({ eventId }: Event): Promise<boolean> {
  const rows = await met.b.app.db.read(sql`SELECT event FROM events WHERE event_id = ${eventId}
    AND rejected = 0 AND soft_failed = 0 AND outlier = 0`)
  return rows.length > 0
}

async function getsIn(roomId: RoomId, version: string, wish: Wish): Promise<boolean> {
  const event = await made(roomId, version, wish)
  await tell([event.pdu])
  return isAccepted(event)
}

describe('S6: each level of a room is asked for', () => {
  const member = (membership: string, target: () => string) => () => ({
    ...{ type: 'm.room.member', stateKey: target(), content: { membership } },
  })
  const ATTEMPTS: readonly (readonly [key: string, attempt: () => Wish])[] = [
    ['events_default', () => ({ type: 'm.room.message', content: { body: 'hello' } })],
    ['state_default', () => ({ type: 'm.room.topic', stateKey: '', content: { topic: 'theirs' } })],
    ['events', () => ({ type: 'm.special', content: {} })],
    ['invite', member('invite', () => '@nobody:b.example')],
    ['kick', member('leave', () => carol.userId)],
    ['ban', member('ban', () => carol.userId)],
  ]
  test.each(['6', '10', '12'])('in version %s', async (version) => {
    const roomId = await sharedRoom({ room_version: version })
    for (const [key, attempt] of ATTEMPTS) {
      const founder = version === '12' ? {} : { [met.bob.userId]: 100 }
      const levels = (needed: number) => ({
        ...{ users: { ...founder, [met.alice.userId]: 30 }, events_default: 30, state_default: 30, invite: 30 },
        ...{ kick: 30, ban: 30, events: {}, [key]: key === 'events' ? { 'm.special': needed } : needed },
      })
      await met.bob.setState(roomId, 'm.room.power_levels', levels(31))
      expect([key, await getsIn(roomId, version, attempt())]).toEqual([key, false])
      await met.bob.setState(roomId, 'm.room.power_levels', levels(30))
      expect([key, await getsIn(roomId, version, attempt())]).toEqual([key, true])
    }
  })

  test('and who is not named has that of all others', async () => {
    const roomId = await sharedRoom({ room_version: '10' })
    const message = { type: 'm.room.message', content: { body: 'hello' } }
    for (const [users_default, passes] of [
      [4, false],
      [5, true],
    ] as const) {
      const levels = { users: { [met.bob.userId]: 100 }, events_default: 5, users_default }
      await met.bob.setState(roomId, 'm.room.power_levels', levels)
      expect(await getsIn(roomId, '10', message)).toBe(passes)
    }
  })
})

describe('S9: a room of version 12 has the creation that it is named after', () => {
  test('with another one nobody joins it', async () => {
    const roomId = await met.alice.createRoom({ preset: 'public_chat', room_version: '12' })
    const other = await met.alice.createRoom({ preset: 'public_chat', room_version: '12' })
    const uri = federationPath`/v1/event/${`$${other.slice(1)}`}`
    await met.bob.post(`/join/${encodeURIComponent(other)}?via=a.example`)
    const [creation] = ((await met.network.ask(met.b, 'a.example', { method: 'GET', uri })) as Json).pdus
    met.network.rewrite((request, answer) => {
      if (!request.uri.includes('/send_join/')) return answer
      const body = JSON.parse(answer.body.toString())
      for (const part of ['state', 'auth_chain'])
        body[part] = body[part].map((pdu: Json) => (pdu.type === 'm.room.create' ? creation : pdu))
      return { status: 200, body: Buffer.from(JSON.stringify(body)) }
    })
    const reply = await met.bob.call('POST', `/join/${encodeURIComponent(roomId)}?via=a.example`, {})
    met.network.rewrite((_request, answer) => answer)
    expect(reply.status).not.toBe(200)
    expect((await met.bob.get('/joined_rooms')).joined_rooms).not.toContain(roomId)
  })

  test('a second creation is none, and no levels bind who made the room', async () => {
    const roomId = await sharedRoom({ room_version: '12' })
    await met.bob.setState(roomId, 'm.room.power_levels', { users: { [met.alice.userId]: 100 } })
    const message = await made(roomId, '12', { type: 'm.room.message', content: { body: 'hello' } })
    const create = { type: 'm.room.create', state_key: '', content: { room_version: '12' } }
    for (const more of [
      {},
      { prev_events: [], auth_events: [] },
      { prev_events: [], auth_events: [], room_id: undefined },
    ]) {
      const again = signedAgain(met, roomVersion('12')!, message.pdu, { ...create, ...more })
      await tell([again])
      const id = idOf(roomVersion('12')!, again)
      expect(await met.b.app.db.read(sql`SELECT event FROM events WHERE event_id = ${id} AND rejected = 0`)).toEqual([])
    }
    const content = { users: { [met.alice.userId]: 100, [met.bob.userId]: 0 } }
    expect(await getsIn(roomId, '12', { type: 'm.room.power_levels', stateKey: '', content })).toBe(false)
    await met.bob.setState(roomId, 'm.room.topic', { topic: 'still mine' })
  })
})

describe('S10: nobody resets a room by the state that they tell', () => {
  test('what is there is kept, and what follows it is not asked about', async () => {
    const roomId = await sharedRoom({ room_version: '10', topic: 'ours', name: 'Ours' })
    const before = await met.bob.get(`${inRoom(roomId)}/state`)
    const gone = `$${'G'.repeat(43)}` as EventId
    const hidden = await made(roomId, '10', { type: 'm.room.message', prevEvents: [gone] })
    const last = await made(roomId, '10', { type: 'm.room.message', prevEvents: [hidden.eventId] })
    const creation: Json = before.find((event: Json) => event.type === 'm.room.create')
    const asked: string[] = []
    met.network.answer(({ destination, uri }) => {
      if (destination !== 'a.example' || uri.includes('/send/') || uri.startsWith('/_matrix/key/')) return undefined
      asked.push(uri)
      if (uri.includes('/get_missing_events/')) return { status: 200, content: { events: [] } }
      if (uri.includes(encodeURIComponent(hidden.eventId)) && uri.includes('/event/'))
        return { status: 200, content: { origin: 'a.example', origin_server_ts: 1, pdus: [hidden.pdu] } }
      // As if nothing but the creation had ever happened.
      if (uri.includes('/state_ids/'))
        return { status: 200, content: { pdu_ids: [creation.event_id], auth_chain_ids: [] } }
      return { status: 404, content: { errcode: 'M_NOT_FOUND', error: 'no' } }
    })
    await tell([last.pdu])
    expect(asked.length).toBeGreaterThan(0)
    asked.length = 0
    const follows = await made(roomId, '10', { type: 'm.room.message', content: { body: 'hello' } })
    await tell([follows.pdu])
    met.network.answer(() => undefined)
    expect([await isAccepted(follows), asked]).toEqual([true, []])
    const ids = (state: Json[]) => state.map(({ event_id }) => event_id).sort()
    expect(ids(await met.bob.get(`${inRoom(roomId)}/state`))).toEqual(ids(before))
  })
})

describe('S19: a server that the access list names', () => {
  let roomId: RoomId
  let words: string
  beforeAll(async () => {
    roomId = await sharedRoom({ room_version: '10' })
    words = await met.bob.send(roomId, 'among us')
    await met.bob.setState(roomId, 'm.room.server_acl', { allow: ['*', 7], deny: ['A.Example', null] })
  })

  test('reads nothing and does not come in', async () => {
    const get = (uri: string) => met.network.ask(met.a, 'b.example', { method: 'GET', uri })
    const id = encodeURIComponent(words)
    const content = { earliest_events: [], latest_events: [words] }
    const missing = { method: 'POST', uri: federationPath`/v1/get_missing_events/${roomId}`, content } as const
    const asked = [
      get(federationPath`/v1/event/${words}`),
      get(`${federationPath`/v1/state/${roomId}`}?event_id=${id}`),
      get(`${federationPath`/v1/state_ids/${roomId}`}?event_id=${id}`),
      get(federationPath`/v1/event_auth/${roomId}/${words}`),
      get(`${federationPath`/v1/backfill/${roomId}`}?limit=10&v=${id}`),
      get(`${federationPath`/v1/make_join/${roomId}/${'@new:a.example'}`}?ver=10`),
      get(`${federationPath`/v1/make_knock/${roomId}/${'@new:a.example'}`}?ver=10`),
      get(federationPath`/v1/make_leave/${roomId}/${met.alice.userId}`),
      met.network.ask(met.a, 'b.example', missing),
    ]
    const answers = await Promise.allSettled(asked)
    expect(answers.map((answer) => answer.status === 'rejected' && answer.reason.errcode)).toEqual(
      asked.map(() => 'M_FORBIDDEN'),
    )
  })

  test('says nothing: neither an event nor that somebody types', async () => {
    const since = await met.bob.sync()
    const message = await made(roomId, '10', { type: 'm.room.message', content: { body: 'hello' } })
    const content = { room_id: roomId, user_id: met.alice.userId, typing: true }
    await tell([message.pdu], [{ edu_type: 'm.typing', content }])
    expect(await isAccepted(message)).toBe(false)
    expect((await met.bob.sync(since)).rooms?.join?.[roomId]).toBeUndefined()
  })

  test('is found at once among ten thousand others', () => {
    const acl = { allow: ['*'], deny: Array.from({ length: 10_000 }, (_, n) => `*${n}.*.evil.example`) }
    const start = process.cpuUsage()
    expect(serverAllowed(acl, `${'a.'.repeat(100)}good.example`)).toBe(true)
    const { user, system } = process.cpuUsage(start)
    expect((user + system) / 1_000).toBeLessThan(250)
  })
})

describe('S21: nobody vouches for a user of a bad peer who is not to come in', () => {
  test('but a member who may invite, and whose server says so', async () => {
    const club = await met.bob.createRoom({ preset: 'public_chat' })
    const allow = [{ type: 'm.room_membership', room_id: club }]
    const hall = (await met.bob.createRoom({
      room_version: '10',
      initial_state: [{ type: 'm.room.join_rules', content: { join_rule: 'restricted', allow } }],
      power_level_content_override: { invite: 50 },
      invite: [carol.userId],
    })) as RoomId
    await carol.join(hall)
    const vouchers = [met.bob.userId, carol.userId, met.alice.userId, '@nobody:b.example', '@x', '', 7, null, {}, []]
    for (const voucher of vouchers) {
      const content = { membership: 'join', join_authorised_via_users_server: voucher }
      const join = await made(hall, '10', { type: 'm.room.member', stateKey: met.alice.userId, content })
      await tell([join.pdu])
      const uri = federationPath`/v2/send_join/${hall}/${join.eventId}`
      const sent = met.network.ask(met.a, 'b.example', { method: 'PUT', uri, content: join.pdu })
      await expect(sent, JSON.stringify(voucher)).rejects.toMatchObject({ status: expect.toSatisfy(isRefusal) })
      expect([voucher, await isAccepted(join)]).toEqual([voucher, false])
    }
    await met.alice.post(`/join/${encodeURIComponent(club)}?via=b.example`)
    await met.alice.post(`/join/${encodeURIComponent(hall)}?via=b.example`)
    expect(await met.bob.membership(hall, met.alice.userId)).toBe('join')
  })

  const isRefusal = (status: number) => status >= 400 && status < 500
})

describe('S23: what one server does not take', () => {
  test('is left out after some time, and all else arrives in order', async () => {
    const network = createTestNetwork()
    onTestFinished(() => network.stop())
    const [c, d] = [await network.start('c.example'), await network.start('d.example')]
    const [carl, dora] = [await enter(c, 'carl'), await enter(d, 'dora')]
    const roomId = await carl.createRoom({ preset: 'public_chat' })
    await dora.post(`/join/${encodeURIComponent(roomId)}?via=c.example`)
    await settled(c, d)
    network.answer(({ uri, body }) =>
      uri.includes('/v1/send/') && body?.includes('poison')
        ? { status: 400, content: { errcode: 'M_BAD_JSON', error: 'not that' } }
        : undefined,
    )
    const since = await dora.sync()
    const texts = Array.from({ length: 60 }, (_, n) => (n === 30 ? 'poison' : `good ${n}`))
    for (const text of texts) await carl.send(roomId, text)
    const good = texts.filter((text) => text !== 'poison')
    const filter = { room: { timeline: { limit: 100 } } }
    await vi.waitFor(
      async () => {
        // Its pauses grow: here nobody waits for them.
        c.app.live.destinations.wake('d.example' as ServerName)
        await settled(c, d)
        const { timeline } = (await dora.sync(since, { filter })).rooms.join[roomId]
        const arrived = timeline.events.map((event: Json) => event.content.body)
        expect(arrived.filter((text: string) => text !== 'poison')).toEqual(good)
      },
      { timeout: 20_000, interval: 50 },
    )
  })

  test('nothing is taken from a client that could not be sent on', async () => {
    const roomId = await met.bob.createRoom()
    const large = { body: 'x'.repeat(65_536) }
    const path = `${inRoom(roomId)}/send/m.room.message/large`
    expect(await met.bob.refused('PUT', path, large)).toBe('413 M_TOO_LARGE')
    const messages = { [met.alice.userId]: { '*': large } }
    expect(await met.bob.refused('PUT', '/sendToDevice/m.test/large', { messages })).toBe('413 M_TOO_LARGE')
  })
})
