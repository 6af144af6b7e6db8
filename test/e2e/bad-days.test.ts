import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { sql } from '../../src/db/sql.ts'
import { eachEngine, emptyPostgres, freshSqlite } from '../helpers/databases.ts'
import { startPostgres } from '../helpers/postgres.ts'
import { type Account, type Reply, startTestServer, type TestServer } from '../helpers/server.ts'

const V3 = '/_matrix/client/v3'
const UNREACHABLE_WITHIN_MS = 5_000
const HEALED_WITHIN_MS = 10_000
const LARGE = 'x'.repeat(40_000)

const undo: (() => Promise<void>)[] = []
afterEach(tidy)

async function tidy(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step()
}

/** A server, somebody on it, and a room that remembers what was acknowledged. */
async function start(connectionString: string) {
  const server = await startTestServer({}, connectionString)
  undo.push(() => server.stop())
  return { server, ...(await settle(server)) }
}

async function settle(server: TestServer) {
  const alice = await server.register('alice')
  const made = await server.call('POST', `${V3}/createRoom`, { token: alice.token, body: {} })
  return { alice, room: new Room(server, alice, String(made.body.room_id)) }
}

class Room {
  readonly acknowledged: string[] = []
  private sent = 0

  private readonly server: TestServer
  private readonly user: Account
  private readonly roomId: string

  constructor(server: TestServer, user: Account, roomId: string) {
    this.server = server
    this.user = user
    this.roomId = roomId
  }

  async send(body = 'hello', txnId = `t${this.sent++}`): Promise<Reply> {
    const path = `${V3}/rooms/${encodeURIComponent(this.roomId)}/send/m.room.message/${txnId}`
    const reply = await this.server.call('PUT', path, { token: this.user.token, body: { msgtype: 'm.text', body } })
    if (reply.status === 200) this.acknowledged.push(String(reply.body.event_id))
    return reply
  }

  /** Message ids, oldest first, through every page. */
  async history(): Promise<string[]> {
    const ids: string[] = []
    for (let from = ''; ; ) {
      const path = `${V3}/rooms/${encodeURIComponent(this.roomId)}/messages?dir=b&limit=500${from}`
      const { status, body } = await this.server.call('GET', path, { token: this.user.token })
      expect(status).toBe(200)
      const events = body.chunk as { event_id: string; type: string }[]
      ids.push(...events.filter(({ type }) => type === 'm.room.message').map((event) => event.event_id))
      if (body.end === undefined) return ids.reverse()
      from = `&from=${body.end}`
    }
  }
}

function expectUnavailable({ status, headers, body }: Reply): void {
  expect([status, body.errcode]).toEqual([503, 'M_UNKNOWN'])
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
}

/** Reads go on, and everything that was acknowledged is there. */
async function expectReadable(server: TestServer, alice: Account, room: Room): Promise<void> {
  for (const path of ['/account/whoami', '/sync', '/joined_rooms']) {
    expect((await server.call('GET', `${V3}${path}`, { token: alice.token })).status).toBe(200)
  }
  expect(await room.history()).toEqual(room.acknowledged)
}

test('SQLite on a full disk: writes answer 503, reads go on, and it recovers by itself', async () => {
  const { dir } = await freshSqlite(undo)
  const { server, alice, room } = await start(`file:${join(dir, 'dendrite.db')}`)
  await room.send()
  const { db } = server.app
  const [pages] = await db.read<{ page_count: number }>(sql`PRAGMA page_count`)
  await db.read({ strings: [`PRAGMA max_page_count = ${pages!.page_count + 8}`], holes: [] })
  const refused = await sendUntilRefused(room)
  expectUnavailable(refused)
  expectUnavailable(await room.send(LARGE, 'again'))
  await expectReadable(server, alice, room)
  await db.read(sql`PRAGMA max_page_count = 1000000`)
  expect((await room.send(LARGE, 'again')).status).toBe(200)
  await Promise.all(Array.from({ length: 8 }, () => room.send()))
  expect(new Set(await room.history())).toEqual(new Set(room.acknowledged))
}, 60_000)

test('PostgreSQL on a full disk: the same', async () => {
  const postgres = await startPostgres({ maxFileBytes: 16 * 1024 * 1024 })
  undo.push(() => postgres.stop())
  const { options } = await emptyPostgres(undo, postgres.uri)
  const { server, alice, room } = await start(options.connectionString)
  await room.send()
  const { db } = server.app
  await fillLog(server.app.db)
  const refused = await sendUntilRefused(room, 'hello')
  expectUnavailable(refused)
  await expectReadable(server, alice, room)
  await db.read(sql`DELETE FROM log WHERE position < 0`)
  await db.read(sql`VACUUM log`)
  expect((await room.send('hello', 'again')).status).toBe(200)
  await Promise.all(Array.from({ length: 8 }, () => room.send()))
  expect(new Set(await room.history())).toEqual(new Set(room.acknowledged))
}, 60_000)

/** Rows that nobody reads take all the room that the log's file may have: large ones first, small ones in between. */
async function fillLog(db: Database): Promise<void> {
  let next = 0
  for (const { rows, bytes } of [
    { rows: 500, bytes: 1_000 },
    { rows: 50, bytes: 1 },
  ]) {
    const insert = () =>
      db.read(sql`INSERT INTO log (position, kind, subject) SELECT -n, 'filler', repeat('x', ${bytes}::int)
        FROM generate_series(${next + 1}::bigint, ${next + rows}::bigint) AS n`)
    let error: unknown
    while (error === undefined) {
      error = await insert().then(
        () => undefined,
        (failed: unknown) => failed,
      )
      next += rows
    }
    expect(error).toMatchObject({ name: 'DatabaseUnavailable', message: expect.stringMatching(/extend file/) })
  }
}

async function sendUntilRefused(room: Room, body = LARGE): Promise<Reply> {
  for (let n = 0; n < 1_000; n++) {
    const reply = await room.send(body)
    if (reply.status !== 200) return reply
  }
  throw new Error('The disk took everything')
}

test('PostgreSQL killed: requests hear of it soon, and are served soon after its return', async () => {
  const postgres = await startPostgres()
  undo.push(() => postgres.stop())
  const { options } = await emptyPostgres(undo, postgres.uri)
  const { server, alice, room } = await start(options.connectionString)
  await room.send()
  const { next_batch: since } = (await server.call('GET', `${V3}/sync`, { token: alice.token })).body
  const poll = server.call('GET', `${V3}/sync?timeout=60000&since=${since}`, { token: alice.token })
  await postgres.kill()
  const gone = performance.now()
  const replies = await Promise.all([
    room.send('during', 'during'),
    server.call('GET', `${V3}/joined_rooms`, { token: alice.token }),
    server.call('POST', `${V3}/createRoom`, { token: alice.token, body: {} }),
  ])
  expect(performance.now() - gone).toBeLessThan(UNREACHABLE_WITHIN_MS)
  for (const reply of replies) expectUnavailable(reply)
  expect((await server.call('GET', '/_matrix/client/versions')).status).toBe(200)
  await postgres.start()
  const back = performance.now()
  while ((await room.send('during', 'during')).status !== 200) {
    expect(performance.now() - back).toBeLessThan(HEALED_WITHIN_MS)
  }
  expect(await room.history()).toEqual(room.acknowledged)
  // Who slept through it wakes: with the news, or with the request to come again.
  expect([200, 503]).toContain((await poll).status)
  expect(performance.now() - back).toBeLessThan(HEALED_WITHIN_MS)
}, 60_000)

eachEngine((engine, fresh) => {
  // Before the database goes, which those of a describe block do first.
  afterEach(tidy)

  test('the wall clock goes back by an hour: no token ends, and no order changes', async () => {
    const database = await fresh()
    const dir = mkdtempSync(join(tmpdir(), 'dendrite-clock-'))
    undo.push(async () => rmSync(dir, { recursive: true, force: true }))
    const uri = engine === 'sqlite' ? `file:${join(dir, 'dendrite.db')}` : database.options.connectionString
    const now = new Date()
    vi.useFakeTimers({ toFake: ['Date'], now })
    undo.push(async () => void vi.useRealTimers())
    const { server, alice, room } = await start(uri)
    for (let n = 0; n < 5; n++) await room.send()
    const { next_batch: since } = (await server.call('GET', `${V3}/sync`, { token: alice.token })).body
    const earlier = room.acknowledged.length
    vi.setSystemTime(now.getTime() - 3_600_000)
    for (let n = 0; n < 5; n++) expect((await room.send()).status).toBe(200)
    expect(await room.history()).toEqual(room.acknowledged)
    const news = await server.call('GET', `${V3}/sync?since=${since}`, { token: alice.token })
    const { join: joined } = news.body.rooms as {
      join: Record<string, { timeline: { events: { event_id: string }[] } }>
    }
    expect(Object.values(joined)[0]?.timeline.events.map((event) => event.event_id)).toEqual(
      room.acknowledged.slice(earlier),
    )
    // The same, said again: the transaction is remembered whatever the clock says.
    const last = room.acknowledged.at(-1)
    expect((await room.send('hello', 't9')).body.event_id).toBe(last)
    expect((await server.register('bob')).userId).toBe('@bob:test.example')
  }, 30_000)
})
