import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { createRoom as createRoomNow } from '../../src/actions/rooms/create-room.ts'
import type { UserId } from '../../src/core/ids.ts'
import { eachEngine, type TestDatabase } from '../helpers/databases.ts'
import { type Account, startTestServer, type TestServer } from '../helpers/server.ts'
import { sessionOf } from '../helpers/session.ts'

const V3 = '/_matrix/client/v3'
const MESSAGES = 500
/** DESIGN of reads: what one sync may ask the database. */
const MAX_QUERIES_EMPTY = 3
const MAX_QUERIES_NEWS = 10

interface Event {
  readonly event_id: string
  readonly type: string
  readonly state_key?: string
  readonly content: Record<string, unknown>
  readonly unsigned?: Record<string, unknown>
}

eachEngine((engine, fresh) => {
  const running: TestServer[] = []
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop()
  })

  async function start(database?: TestDatabase): Promise<TestServer> {
    const { options, dir } = database ?? (await fresh())
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    const server = await startTestServer({}, uri)
    running.push(server)
    return server
  }

  test('a NUL in a name or topic harms nobody', async () => {
    const server = await start()
    const alice = sessionOf(server, await server.register('alice'))
    const roomId = await alice.createRoom({ name: 'T\0ea' })
    const member = { membership: 'join', displayname: 'A\0lice' }
    await alice.setState(roomId, 'm.room.member', member, alice.userId)
    await alice.setState(roomId, 'm.room.topic', { topic: '\0' })
    const path = `/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(alice.userId)}`
    expect((await alice.get(path)).displayname).toBe('A\0lice')
    expect((await alice.sync()).rooms.join[roomId]).toBeDefined()
  })

  test('people talk, and a sync wakes, pages and stays within its queries', async () => {
    const server = await start()
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const roomId = await createRoom(server, alice, { invite: [bob.userId], name: 'Tea' })
    const invited = await get(server, bob, '/sync')
    expect(typesOf(invited.rooms.invite[roomId].invite_state.events)).toContain('m.room.name')
    await post(server, bob, `/join/${encodeURIComponent(roomId)}`, {})
    const first = await get(server, bob, '/sync')
    expect(typesOf(first.rooms.join[roomId].timeline.events)).toContain('m.room.member')

    // What carries the log onwards asks too.
    await server.followers.idle()
    const before = server.app.db.queryCount
    const empty = await get(server, bob, `/sync?since=${first.next_batch}&timeout=0`)
    // One query of each request reads the session.
    expect(server.app.db.queryCount - before - 1).toBeLessThanOrEqual(MAX_QUERIES_EMPTY)
    expect(empty.rooms).toBeUndefined()

    const poll = get(server, bob, `/sync?since=${empty.next_batch}&timeout=30000`)
    const eventId = await send(server, alice, roomId, 'txn-1', { msgtype: 'm.text', body: 'hello' })
    const woken = await poll
    expect(woken.rooms.join[roomId].timeline.events.map((event: Event) => event.event_id)).toEqual([eventId])

    await server.followers.idle()
    const counted = server.app.db.queryCount
    await get(server, bob, `/sync?since=${empty.next_batch}&timeout=0`)
    expect(server.app.db.queryCount - counted - 1).toBeLessThanOrEqual(MAX_QUERIES_NEWS)
  })

  test('a transaction id gives the same event again, also after a restart', async () => {
    const database = await fresh()
    const server = await start(database)
    const alice = await server.register('alice')
    const roomId = await createRoom(server, alice, {})
    const content = { msgtype: 'm.text', body: 'once' }
    const tries = await Promise.all(Array.from({ length: 8 }, () => send(server, alice, roomId, 'same', content)))
    expect(new Set(tries).size).toBe(1)
    await server.stop()
    running.splice(0)
    const again = await start(database)
    expect(await send(again, alice, roomId, 'same', content)).toBe(tries[0])
    expect(await send(again, alice, roomId, 'other', content)).not.toBe(tries[0])
  })

  test('history pages back whole, each event once and in order', async () => {
    const server = await start()
    const alice = await server.register('alice')
    const roomId = await createRoom(server, alice, {})
    const sent: string[] = []
    for (let n = 0; n < MESSAGES; n++) {
      sent.push(await send(server, alice, roomId, `m${n}`, { msgtype: 'm.text', body: `${n}` }))
    }
    const backwards = await pageThrough(server, alice, roomId, 'b', [7, 1, 100, 33])
    const forwards = await pageThrough(server, alice, roomId, 'f', [50, 3, 200])
    expect(backwards.filter((event) => event.type === 'm.room.message').map((event) => event.event_id)).toEqual(
      [...sent].reverse(),
    )
    expect(forwards.map((event) => event.event_id)).toEqual(backwards.map((event) => event.event_id).reverse())
    expect(forwards[0]?.type).toBe('m.room.create')
  }, 60_000)

  test('members come and go by the rules of the room', async () => {
    const server = await start()
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const roomId = await createRoom(server, alice, { preset: 'private_chat' })
    const room = `/rooms/${encodeURIComponent(roomId)}`
    const asBob = (path: string, body: object) => server.call('POST', `${V3}${path}`, { token: bob.token, body })
    expect((await asBob(`${room}/join`, {})).body).toMatchObject({ errcode: 'M_FORBIDDEN' })
    await post(server, alice, `${room}/invite`, { user_id: bob.userId })
    await post(server, bob, `${room}/join`, {})
    expect((await asBob(`${room}/kick`, { user_id: alice.userId })).status).toBe(403)
    await send(server, bob, roomId, 'while in', { msgtype: 'm.text', body: 'in' })
    const since = (await get(server, bob, '/sync')).next_batch
    await post(server, alice, `${room}/ban`, { user_id: bob.userId, reason: 'noise' })
    await send(server, alice, roomId, 'after', { msgtype: 'm.text', body: 'not for bob' })
    const left = (await get(server, bob, `/sync?since=${since}`)).rooms.leave[roomId]
    expect(left.timeline.events.map((event: Event) => event.content.membership)).toEqual(['ban'])
    const seen = await pageThrough(server, bob, roomId, 'b', [50])
    expect(seen.some((event) => event.content.body === 'not for bob')).toBe(false)
    expect(seen.some((event) => event.content.body === 'in')).toBe(true)
    expect((await asBob(`${room}/join`, {})).status).toBe(403)
    await post(server, alice, `${room}/unban`, { user_id: bob.userId })
    await post(server, alice, `${room}/invite`, { user_id: bob.userId })
    await post(server, bob, `${room}/join`, {})
    const members = await get(server, alice, `${room}/joined_members`)
    expect(Object.keys(members.joined).sort()).toEqual([alice.userId, bob.userId])
  })

  test('rooms made alike in one moment are rooms of their own', async () => {
    const server = await start()
    const creator = (await server.register('alice')).userId as UserId
    const made = await Promise.all(Array.from({ length: 50 }, () => createRoomNow(server.app, { creator })))
    expect(new Set(made).size).toBe(50)
  })

  test('every room version can be made and talked in', async () => {
    const server = await start()
    const alice = await server.register('alice')
    for (let version = 1; version <= 12; version++) {
      const roomId = await createRoom(server, alice, { room_version: `${version}`, topic: `v${version}` })
      const content = JSON.parse('{"__proto__":{"constructor":1},"body":"x"}')
      const eventId = await send(server, alice, roomId, `v${version}`, content)
      const event = await get(
        server,
        alice,
        `/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(eventId)}`,
      )
      expect(JSON.stringify(event.content)).toBe('{"__proto__":{"constructor":1},"body":"x"}')
    }
  })
})

async function createRoom(server: TestServer, user: Account, wish: object): Promise<string> {
  return (await post(server, user, '/createRoom', wish)).room_id
}

async function send(server: TestServer, user: Account, roomId: string, txnId: string, body: object): Promise<string> {
  const path = `${V3}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${encodeURIComponent(txnId)}`
  const reply = await server.call('PUT', path, { token: user.token, body })
  expect(reply.body).toEqual({ event_id: expect.any(String) })
  return String(reply.body.event_id)
}

// biome-ignore lint/suspicious/noExplicitAny: replies are looked into where the test expects them
async function post(server: TestServer, user: Account, path: string, body: object): Promise<any> {
  const reply = await server.call('POST', `${V3}${path}`, { token: user.token, body })
  expect([path, reply.status, reply.body.errcode]).toEqual([path, 200, undefined])
  return reply.body
}

// biome-ignore lint/suspicious/noExplicitAny: replies are looked into where the test expects them
async function get(server: TestServer, user: Account, path: string): Promise<any> {
  const reply = await server.call('GET', `${V3}${path}`, { token: user.token })
  expect([path, reply.status]).toEqual([path, 200])
  return reply.body
}

/** The whole history, in pages of the sizes given, over and over. */
async function pageThrough(
  server: TestServer,
  user: Account,
  roomId: string,
  dir: 'b' | 'f',
  sizes: readonly number[],
): Promise<Event[]> {
  const events: Event[] = []
  let from = ''
  for (let page = 0; ; page++) {
    const limit = sizes[page % sizes.length]
    const path = `/rooms/${encodeURIComponent(roomId)}/messages?dir=${dir}&limit=${limit}${from}`
    const reply = await get(server, user, path)
    events.push(...reply.chunk)
    if (reply.end === undefined || (dir === 'f' && reply.chunk.length === 0)) return events
    from = `&from=${reply.end}`
  }
}

function typesOf(events: readonly Event[]): string[] {
  return events.map((event) => event.type)
}
