import { expect, test, vi } from 'vitest'
import { purgeAfresh, purgeOldEvents } from '../../src/actions/rooms/purge-events.ts'
import { sendEvent } from '../../src/actions/rooms/send-event.ts'
import { write } from '../../src/actions/write.ts'
import type { App } from '../../src/app.ts'
import type { UserId } from '../../src/core/ids.ts'
import { sql } from '../../src/db/sql.ts'
import { cameLate, doneUntil, goOnAfter, type RetentionRow, roomIsAsLookedAt } from '../../src/store/purge.ts'
import { purgeEventsTask } from '../../src/tasks/purge-events.ts'
import { eachServer } from '../helpers/each-server.ts'
import { createTestNetwork, settled } from '../helpers/federation.ts'
import { handTime } from '../helpers/hand-time.ts'
import type { TestServer } from '../helpers/server.ts'
import { enter, enterAsAdmin, inRoom, type Json, type Session } from '../helpers/session.ts'

const HOUR_MS = 3_600_000
const roomServer = { retention: { enabled: true, allowed_lifetime_min: '0' } }

/** The texts of the room's messages in the database, oldest first, whoever may see them. */
async function stored(server: TestServer, roomId: string): Promise<string[]> {
  const rows = await server.app.db.read<{ content: string }>(sql`SELECT e.content FROM events e
    JOIN rooms r ON r.room = e.room WHERE r.room_id = ${roomId} AND e.state_key IS NULL ORDER BY e.event`)
  return rows.map(({ content }) => JSON.parse(content).body).filter((body) => body !== undefined)
}

/** Makes what was said in the room so far older. */
async function age(server: TestServer, roomId: string, ms: number): Promise<void> {
  const older = sql`UPDATE events SET origin_server_ts = origin_server_ts - ${ms}
    WHERE room = (SELECT room FROM rooms WHERE room_id = ${roomId})`
  await write(server.app, { guards: [], writes: [older], log: [] })
}

async function purge(app: App, atOnce?: number): Promise<number> {
  let steps = 0
  while (await purgeOldEvents(app, atOnce)) steps++
  return steps
}

const shown = async (user: Session, roomId: string): Promise<string[]> => {
  const { chunk } = await user.get(`${inRoom(roomId)}/messages?dir=f&limit=100`)
  return chunk.map(({ content }: Json) => content.body).filter((body: unknown) => body !== undefined)
}

eachServer(
  {},
  (server) => {
    test('what is older than the room keeps it is shown to nobody, and then goes from the database', async () => {
      const { app } = server
      const [root, alice, bob] = [
        await enterAsAdmin(server, 'root'),
        await enter(server, 'alice'),
        await enter(server, 'bob'),
      ]
      const room = await alice.createRoom({ preset: 'public_chat', name: 'Old tales' })
      await bob.join(room)
      const before = await bob.sync()
      const old = await alice.send(room, 'once upon a time')
      const thread = { 'm.relates_to': { rel_type: 'm.thread', event_id: old } }
      await alice.send(room, { msgtype: 'm.text', body: 'there was', ...thread })
      await age(server, room, 2 * HOUR_MS)
      const fresh = await alice.send(room, 'now')
      expect(await shown(bob, room)).toEqual(['once upon a time', 'there was', 'now'])

      await alice.setState(room, 'm.room.retention', { max_lifetime: HOUR_MS })
      const nothingOfIt = async () => {
        expect(await shown(bob, room)).toEqual(['now'])
        for (const path of ['event', 'context'])
          expect(await bob.refusal('GET', `${inRoom(room)}/${path}/${old}`)).toBe('404 M_NOT_FOUND')
        const admin = '/_synapse/admin/v1'
        expect(await root.refusal('GET', `${admin}/fetch_event/${old}`)).toBe('404 M_NOT_FOUND')
        const { chunk } = await root.get(`${admin}${inRoom(room)}/messages?dir=f&limit=100`)
        expect(JSON.stringify(chunk)).not.toContain('once')
        const V1 = '/_matrix/client/v1'
        expect(await bob.refusal('GET', `${V1}${inRoom(room)}/relations/${old}`)).toBe('404 M_NOT_FOUND')
        expect((await bob.get(`${V1}${inRoom(room)}/threads`)).chunk).toEqual([])
        const sought = { search_categories: { room_events: { search_term: 'upon' } } }
        expect((await bob.post('/search', sought)).search_categories.room_events.results).toEqual([])
        for (const since of [undefined, before]) {
          const answer = JSON.stringify(await bob.sync(since))
          expect([answer.includes(fresh), answer.includes('once'), answer.includes('there was')]).toEqual([
            true,
            false,
            false,
          ])
        }
        const sliding = { lists: { all: { ranges: [[0, 9]], timeline_limit: 50, required_state: [] } } }
        const list = await bob.post('/_matrix/client/unstable/org.matrix.simplified_msc3575/sync', sliding)
        expect(JSON.stringify(list)).toContain(fresh)
        expect(JSON.stringify(list)).not.toContain('once')
      }
      await nothingOfIt()
      expect(await stored(server, room)).toEqual(['once upon a time', 'there was', 'now'])
      await purge(app)
      expect(await stored(server, room)).toEqual(['now'])
      await nothingOfIt()
      // Kept for longer from now on: what is gone stays gone, and leaves no hole in what comes next.
      await alice.setState(room, 'm.room.retention', {})
      await nothingOfIt()
      await alice.send(room, 'next')
      expect(await shown(bob, room)).toEqual(['now', 'next'])
      expect(await alice.state(room, 'm.room.name')).toEqual({ name: 'Old tales' })
    })

    test('state and the ends of the room stay; what follows an end lets it go', async () => {
      const alice = await enter(server, 'ends')
      const room = await alice.createRoom()
      await alice.setState(room, 'm.room.retention', { max_lifetime: HOUR_MS })
      await alice.setState(room, 'm.room.topic', { topic: 'stays' })
      for (const body of ['one', 'two', 'three']) await alice.send(room, body)
      await age(server, room, 2 * HOUR_MS)
      expect(await shown(alice, room)).toEqual(['three'])
      await purgeAfresh(server.app)
      await purge(server.app)
      expect(await stored(server, room)).toEqual(['three'])
      expect(await alice.state(room, 'm.room.topic')).toEqual({ topic: 'stays' })
      await alice.send(room, 'four')
      expect(await shown(alice, room)).toEqual(['four'])
      const app = { ...server.app, ...handTime(server.app.clock.now() + 24 * HOUR_MS) }
      await purge(app)
      expect(await stored(server, room)).toEqual(['four'])
    })

    test('a purge goes on where it was cut off, in steps that nobody else has done meanwhile', async () => {
      const { app } = server
      const alice = await enter(server, 'steps')
      const room = await alice.createRoom()
      for (let n = 0; n < 10; n++) await alice.send(room, `old ${n}`)
      await age(server, room, 2 * HOUR_MS)
      await alice.send(room, 'end')
      await alice.setState(room, 'm.room.retention', { max_lifetime: HOUR_MS })
      const wait = async () => {
        // What is in the batches before the first message.
        while ((await stored(server, room)).length === 11) await purgeOldEvents(app, 3)
      }
      await wait()
      const left = await stored(server, room)
      expect(left.length).toBeGreaterThan(7)
      // Its process dies, in the middle of a step: the batch falls as a whole.
      const dying = { ...app, db: { ...app.db, commit: () => Promise.reject(new Error('killed')) } }
      await expect(purgeOldEvents(dying, 3)).rejects.toThrow('killed')
      expect(await stored(server, room)).toEqual(left)
      // Another process was faster: what was read before counts no more, and nothing is passed over.
      const late = {
        ...app,
        db: {
          ...app.db,
          async commit(batch: Parameters<typeof app.db.commit>[0]) {
            await purgeOldEvents(app, 3)
            return app.db.commit(batch)
          },
        },
      }
      await purgeOldEvents(late, 2)
      await purge(app, 3)
      expect(await stored(server, room)).toEqual(['end'])
      expect(await purge(app)).toBe(0)
    })

    test('a message that comes late, from before what was looked at, goes too', async () => {
      const { app } = server
      const alice = await enter(server, 'tardy')
      const room = await alice.createRoom()
      await alice.setState(room, 'm.room.retention', { max_lifetime: HOUR_MS })
      await alice.send(room, 'fresh')
      await purge(app)
      const originServerTs = app.clock.now() - 3 * HOUR_MS
      const late = { type: 'm.room.message', stateKey: null, content: { body: 'late' }, originServerTs }
      await sendEvent(app, { ...late, roomId: room, sender: alice.userId as UserId })
      await alice.send(room, 'end')
      expect(await shown(alice, room)).toEqual(['fresh', 'end'])
      await purge(app)
      expect(await stored(server, room)).toEqual(['fresh', 'end'])
    })

    test('nor is it passed over by a step in the same group of commits', async () => {
      const { app } = server
      const alice = await enter(server, 'grouped')
      const room = await alice.createRoom()
      await alice.setState(room, 'm.room.retention', { max_lifetime: HOUR_MS })
      const [{ number }] = (await app.db.read<{ number: number }>(
        sql`SELECT room AS number FROM rooms WHERE room_id = ${room}`,
      )) as [{ number: number }]
      const looked = async () =>
        (
          await app.db.read<RetentionRow>(sql`SELECT room, purged_ts, purged_event, late FROM retention_rooms
          WHERE room = ${number}`)
        )[0]!
      for (const end of [
        (row: RetentionRow) => doneUntil(row, 900, 5_000),
        (row: RetentionRow) => goOnAfter(row, 900, 3),
      ]) {
        const row = await looked()
        await Promise.all([
          write(app, { guards: [], writes: [], log: [{ kind: 'filler' }] }),
          write(app, { guards: [], writes: [cameLate(number, 500)], log: [] }),
          write(app, { guards: [roomIsAsLookedAt(row)], writes: [end(row)], log: [] }),
        ])
        expect(await looked()).toMatchObject({ purged_ts: -1, late: row.late + 1 })
      }
      await write(app, { guards: [], writes: [doneUntil(await looked(), 900, 5_000)], log: [] })
      await write(app, { guards: [], writes: [cameLate(number, 500)], log: [] })
      expect(await looked()).toMatchObject({ purged_ts: 499 })
    })

    test('the task runs when it was switched on, and is idle in between', async () => {
      const alice = await enter(server, 'task')
      const room = await alice.createRoom()
      await alice.send(room, 'old')
      await age(server, room, 2 * HOUR_MS)
      await alice.send(room, 'new')
      const { retention } = server.app.config.room_server
      const configured = (more: object) => {
        const room_server = { ...server.app.config.room_server, retention: { ...retention, ...more } }
        return { ...server.app, config: { ...server.app.config, room_server } }
      }
      const run = (app: App, payload = {}) =>
        purgeEventsTask.run(app, { id: 'x', payload, failures: 0, signal: new AbortController().signal })
      expect(await run(configured({ enabled: false }), { rules: 'x' })).toEqual({ afterMs: HOUR_MS, payload: {} })
      const first = await run(server.app)
      expect(first?.afterMs).toBe(HOUR_MS)
      expect(await stored(server, room)).toEqual(['old', 'new'])
      // Other rules of the server: rooms without a policy are looked at too.
      const strict = configured({ default_policy: { max_lifetime: HOUR_MS, min_lifetime: 0 } })
      const second = await run(strict, first?.payload)
      expect(await stored(server, room)).toEqual(['new'])
      expect(second?.payload).not.toEqual(first?.payload)
      expect((await run(strict, second?.payload))?.payload).toEqual(second?.payload)
    })
  },
  { roomServer },
)

test('other servers are not given what is kept no longer, and it is not fetched again', async () => {
  const network = createTestNetwork()
  try {
    const here = await network.start('here.example', undefined, { roomServer })
    const there = await network.start('there.example', undefined, { roomServer })
    const [alice, bob] = [await enter(here, 'alice'), await enter(there, 'bob')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    await alice.setState(room, 'm.room.retention', { max_lifetime: HOUR_MS })
    const ids = [await alice.send(room, 'one'), await alice.send(room, 'two'), await alice.send(room, 'three')]
    await age(here, room, 2 * HOUR_MS)
    await bob.post(`/join/${encodeURIComponent(room)}?via=here.example`)
    const last = await alice.send(room, 'last')
    await settled(here, there)
    const ask = async (uri: string, content?: object) => {
      const method = content === undefined ? ('GET' as const) : ('POST' as const)
      const { pdus, events } = await network.ask(there, 'here.example', {
        method,
        uri: `/_matrix/federation/v1/${uri}`,
        ...(content === undefined ? {} : { content: content as never }),
      })
      return JSON.stringify(pdus ?? events)
    }
    const checked = async () => {
      const path = encodeURIComponent(room)
      const event = JSON.parse(await ask(`event/${encodeURIComponent(ids[1]!)}`))
      expect(event).toMatchObject([{ content: {}, type: 'm.room.message', sender: alice.userId }])
      const backfilled = await ask(`backfill/${path}?limit=50&v=${encodeURIComponent(last)}`)
      const gap = { earliest_events: [], latest_events: [last], limit: 20 }
      const missing = await ask(`get_missing_events/${path}`, gap)
      expect(backfilled).toContain('"last"')
      expect(backfilled).not.toContain('"content":{}')
      for (const text of ['"one"', '"two"', '"three"'])
        expect([backfilled.includes(text), missing.includes(text)]).toEqual([false, false])
    }
    await checked()
    while (await purgeOldEvents(here.app));
    expect(await stored(here, room)).toEqual(['last'])
    await checked()
    expect(await shown(bob, room)).toEqual(['last'])
    await bob.send(room, 'answer')
    await settled(here, there)
    expect(await shown(alice, room)).toEqual(['last', 'answer'])

    // Nor is a server that comes back told of what went meanwhile.
    network.cut('there.example', true)
    await alice.send(room, 'meanwhile')
    await here.followers.idle()
    await age(here, room, 2 * HOUR_MS)
    await alice.send(room, 'since')
    network.cut('there.example', false)
    await bob.send(room, 'back')
    await vi.waitFor(async () => expect(await shown(bob, room)).toContain('since'), 15_000)
    await settled(here, there)
    expect(await stored(there, room)).not.toContain('meanwhile')
  } finally {
    await network.stop()
  }
})
