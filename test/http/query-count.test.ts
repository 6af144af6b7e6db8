import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { createRoom } from '../../src/actions/rooms/create-room.ts'
import type { UserId } from '../../src/core/ids.ts'
import { eachEngine } from '../helpers/databases.ts'
import { type Account, startTestServer, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
/** What one sync may ask the database, besides the session that every request reads. */
const MAX_EMPTY = 3
const MAX_NEWS = 10
/** Where somebody came or went, too: whose devices the client has to know. */
const MAX_MOVED = 14
/** More rooms than a query for each would let pass. `npm run bench` has an account with 1,500. */
const ROOMS = 60

eachEngine((engine, fresh) => {
  let server: TestServer
  afterEach(() => server.stop())

  async function start(): Promise<TestServer> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    // What carries the log to other servers reads it too, whenever it gets to it.
    return startTestServer({}, uri, { global: { disable_federation: true } })
  }

  /** What the requests ask of the database, the sessions not counted. */
  async function queriesOf(sync: () => Promise<Sync>): Promise<{ queries: number; reply: Sync }> {
    // What carries the log onwards asks too.
    await server.followers.idle()
    const before = server.app.db.queryCount
    const reply = await sync()
    return { queries: server.app.db.queryCount - before - 1, reply }
  }

  test('a sync of an account with many rooms asks the same few queries', async () => {
    server = await start()
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const rooms = await roomsOf(server, alice, ROOMS)
    const [first = '', second = '', third = ''] = rooms
    for (const roomId of [first, second, third]) await put(server, bob, `/join/${roomId}`, {}, 'POST')
    const { next_batch: since } = await sync(server, alice)

    const empty = await queriesOf(() => sync(server, alice, since))
    expect(empty.reply.rooms).toBeUndefined()
    expect(empty.queries).toBeLessThanOrEqual(MAX_EMPTY)

    await put(server, bob, `/rooms/${first}/send/m.room.message/one`, { msgtype: 'm.text', body: 'one' })
    const one = await queriesOf(() => sync(server, alice, since))
    expect(roomsIn(one.reply)).toEqual([first])
    expect(one.queries).toBeLessThanOrEqual(MAX_NEWS)

    await put(server, alice, `/user/${alice.userId}/rooms/${first}/account_data/org.example.note`, { seen: true })
    await put(server, alice, `/user/${alice.userId}/account_data/org.example.note`, { seen: true })
    await put(server, alice, `/rooms/${second}/state/m.room.topic/`, { topic: 'two' })
    await put(server, bob, `/rooms/${third}/leave`, {}, 'POST')
    const several = await queriesOf(() => sync(server, alice, since))
    expect(roomsIn(several.reply)).toEqual([first, second, third].sort())
    expect(several.queries).toBeLessThanOrEqual(MAX_MOVED)
  })

  test('a sync that sleeps and is woken asks as much as one that found nothing and one that found news', async () => {
    server = await start()
    const [alice, bob] = [await server.register('alice'), await server.register('bob')]
    const [roomId = ''] = await roomsOf(server, alice, 1)
    await put(server, bob, `/join/${roomId}`, {}, 'POST')
    const { next_batch: since } = await sync(server, alice)
    const before = server.app.db.queryCount
    const poll = sync(server, alice, since, 30_000)
    await asleep(server)
    const sleeping = server.app.db.queryCount
    expect(sleeping - before - 1).toBeLessThanOrEqual(MAX_EMPTY)
    await put(server, bob, `/rooms/${roomId}/send/m.room.message/wake`, { msgtype: 'm.text', body: 'wake' })
    expect(roomsIn(await poll)).toEqual([roomId])
  })
})

interface Sync {
  readonly next_batch: string
  readonly rooms?: { readonly join?: Record<string, unknown> }
}

async function sync(server: TestServer, user: Account, since?: string, timeoutMs = 0): Promise<Sync> {
  const query = since === undefined ? '' : `?since=${since}&timeout=${timeoutMs}`
  const reply = await server.call('GET', `${V3}/sync${query}`, { token: user.token })
  expect(reply.status).toBe(200)
  return reply.body as unknown as Sync
}

function roomsIn(reply: Sync): string[] {
  return Object.keys(reply.rooms?.join ?? {}).sort()
}

/** Public rooms with nobody but their creator in them. */
async function roomsOf(server: TestServer, user: Account, count: number): Promise<string[]> {
  const creator = user.userId as UserId
  return Promise.all(Array.from({ length: count }, () => createRoom(server.app, { creator, preset: 'public_chat' })))
}

async function put(server: TestServer, user: Account, path: string, body: object, method = 'PUT'): Promise<void> {
  const reply = await server.call(method, `${V3}${path}`, { token: user.token, body })
  expect([path, reply.status]).toEqual([path, 200])
}

async function asleep(server: TestServer): Promise<void> {
  while (server.app.live.waiters.count === 0) await new Promise((resolve) => setTimeout(resolve, 1))
}
