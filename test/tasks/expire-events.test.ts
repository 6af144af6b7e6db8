import { expect, test, vi } from 'vitest'
import { expireEvents } from '../../src/actions/rooms/expire-events.ts'
import { write } from '../../src/actions/write.ts'
import { sql } from '../../src/db/sql.ts'
import { type Claim, claimTask, dueTasks, endTask, goOnWithTask, retryTask, taskDueBy } from '../../src/store/tasks.ts'
import { eachServer } from '../helpers/each-server.ts'
import { createTestNetwork, settled } from '../helpers/federation.ts'
import { handTime } from '../helpers/hand-time.ts'
import type { TestServer } from '../helpers/server.ts'
import { enter, inRoom, type Session } from '../helpers/session.ts'

const HOUR_MS = 3_600_000
const AFTER = 'org.matrix.self_destruct_after'
const roomServer = { enable_ephemeral_messages: true }

const secret = (server: TestServer, afterMs: number) => ({
  body: 'pineapple',
  msgtype: 'm.text',
  [AFTER]: server.app.clock.now() + afterMs,
})

/** Rows of the database that have the word in a text of an event. */
async function kept(server: TestServer, word: string): Promise<number> {
  const like = `%${word}%`
  const rows = await server.app.db.read(sql`SELECT event FROM events WHERE content LIKE ${like}
    UNION ALL SELECT event FROM redacted_originals WHERE content LIKE ${like}`)
  return rows.length
}

const scheduled = async (server: TestServer) =>
  (await server.app.db.read<{ event: number }>(sql`SELECT event FROM event_expiry`)).length

const found = async (user: Session, term: string) => {
  const search_categories = { room_events: { search_term: term } }
  return (await user.post('/search', { search_categories })).search_categories.room_events.count as number
}

eachServer(
  {},
  (server) => {
    test('the content of a message goes at the time that the message names, and nothing keeps it', async () => {
      const { app } = server
      const [alice, bob] = [await enter(server, 'alice'), await enter(server, 'bob')]
      const room = await alice.createRoom({ preset: 'public_chat' })
      await bob.join(room)
      const root = await alice.send(room, 'stays')
      const thread = { 'm.relates_to': { rel_type: 'm.thread', event_id: root } }
      const said = await alice.send(room, { ...secret(server, HOUR_MS), ...thread })
      const redacted = await alice.send(room, secret(server, HOUR_MS))
      await alice.put(`${inRoom(room)}/redact/${redacted}/r`)
      expect([await kept(server, 'pineapple'), await found(bob, 'pineapple'), await scheduled(server)]).toEqual([
        2, 1, 2,
      ])

      const time = handTime(app.clock.now())
      expect(await expireEvents({ ...app, ...time })).toBeGreaterThan(time.clock.now())
      expect((await bob.get(`${inRoom(room)}/event/${said}`)).content.body).toBe('pineapple')
      time.pass(HOUR_MS)
      // The first batch is not the last one, and a crash after it loses nothing of the second.
      expect(await expireEvents({ ...app, ...time }, 1)).toBeLessThanOrEqual(time.clock.now())
      expect([await kept(server, 'pineapple'), await scheduled(server)]).toEqual([1, 1])
      expect(await expireEvents({ ...app, ...time }, 1)).toBe(undefined)
      expect([await kept(server, 'pineapple'), await scheduled(server)]).toEqual([0, 0])

      const event = await bob.get(`${inRoom(room)}/event/${said}`)
      expect(event).toMatchObject({ content: {}, sender: alice.userId, type: 'm.room.message' })
      expect([event.unsigned.redacted_because, event.unsigned.redacted_by]).toEqual([undefined, undefined])
      expect((await bob.get(`${inRoom(room)}/event/${redacted}`)).unsigned.redacted_because).toBeDefined()
      const { chunk } = await bob.get(`${inRoom(room)}/messages?dir=b&limit=3&filter={"types":["m.room.message"]}`)
      expect(chunk.map(({ content }: { content: object }) => content)).toEqual([
        {},
        {},
        { body: 'stays', msgtype: 'm.text' },
      ])
      expect(await found(bob, 'pineapple')).toBe(0)
      expect((await bob.get(`${inRoom(room)}/threads`.replace('/rooms', '/_matrix/client/v1/rooms'))).chunk).toEqual([])
    })

    test('what time has taken may be redacted, and comes back by nothing', async () => {
      const alice = await enter(server, 'late')
      const room = await alice.createRoom()
      const said = await alice.send(room, secret(server, HOUR_MS))
      const time = handTime(server.app.clock.now() + HOUR_MS)
      await expireEvents({ ...server.app, ...time })
      const { event_id: by } = await alice.put(`${inRoom(room)}/redact/${said}/r`)
      const event = await alice.get(`${inRoom(room)}/event/${said}`)
      expect([event.content, event.unsigned.redacted_because.event_id]).toEqual([{}, by])
      expect(
        await server.app.db.read(sql`SELECT o.event FROM redacted_originals o JOIN events e ON e.event = o.event
        WHERE e.event_id = ${said}`),
      ).toEqual([])
    })

    test('a time that has passed, or comes soon, is kept by the server itself', async () => {
      const alice = await enter(server, 'hasty')
      const room = await alice.createRoom()
      await alice.send(room, { ...secret(server, 24 * HOUR_MS), body: 'much later' })
      const ids = [
        await alice.send(room, secret(server, -HOUR_MS)),
        await alice.send(room, secret(server, 20)),
        await alice.send(room, { ...secret(server, 0), [AFTER]: -5 }),
      ]
      const contents = async () => {
        const events = await Promise.all(ids.map((id) => alice.get(`${inRoom(room)}/event/${id}`)))
        return events.map(({ content }) => content)
      }
      await vi.waitFor(async () => expect(await contents()).toEqual([{}, {}, {}]), 10_000)
      expect(await kept(server, 'much later')).toBe(1)
    })

    test('state and what is no time are left alone', async () => {
      const alice = await enter(server, 'odd')
      const room = await alice.createRoom()
      const before = await scheduled(server)
      await alice.setState(room, 'org.example.state', { [AFTER]: 1 })
      for (const time of ['1', null, true, [1], { at: 1 }]) await alice.send(room, { body: 'x', [AFTER]: time })
      expect(await scheduled(server)).toBe(before)
      const { unstable_features: features } = (await server.call('GET', '/_matrix/client/versions')).body
      expect(features).toMatchObject({ 'org.matrix.msc2228': true })
    })

    test('whoever is at work on a task does not end it when it got an earlier time meanwhile', async () => {
      const { app } = server
      const task = (runAt: number) => ({ id: 'early', kind: 'early', runAt, payload: '{}' })
      const due = async () => (await dueTasks(app.db, ['early'], 5_000, 10)).map((row) => [row.run_at, row.holder])
      const dueBy = (runAt: number) => write(app, { guards: [], ...taskDueBy(task(runAt), 2_000) })
      for (const runAt of [4_000, 3_000, 3_500]) await dueBy(runAt)
      expect(await due()).toEqual([[3_000, null]])
      const [row] = await dueTasks(app.db, ['early'], 3_000, 1)
      const claim = { id: 'early', holder: 'me', untilMs: 4_500 }
      await write(app, claimTask(row!, claim.holder, claim.untilMs))
      await dueBy(9_000)
      expect(await write(app, endTask(claim))).toBe(undefined)
      expect(await due()).toEqual([[2_000, null]])
    })

    test('nor does the end of its step, in the same group of commits, put it off', async () => {
      const { app } = server
      const task = (runAt: number) => taskDueBy({ id: 'group', kind: 'group', runAt, payload: '{}' }, 2_000)
      const filler = () => ({ guards: [], writes: [], log: [{ kind: 'filler' }] })
      for (const end of [
        (claim: Claim) => goOnWithTask(claim, 9_000, '{}'),
        endTask,
        (claim: Claim) => retryTask(claim, 9_000),
      ]) {
        await write(app, { guards: [], ...task(1_000) })
        const [row] = await dueTasks(app.db, ['group'], 5_000, 1)
        const claim = { id: 'group', holder: 'me', untilMs: 4_500 }
        await write(app, claimTask(row!, claim.holder, claim.untilMs))
        // What comes while one group is being written is the next one.
        await Promise.all([write(app, filler()), write(app, { guards: [], ...task(3_000) }), write(app, end(claim))])
        expect((await dueTasks(app.db, ['group'], 5_000, 10)).map((one) => [one.run_at, one.holder])).toEqual([
          [2_000, null],
        ])
      }
    })
  },
  { roomServer },
)

eachServer({}, (server) => {
  test('where it is not switched on messages stay, and nothing is announced', async () => {
    const alice = await enter(server, 'off')
    await alice.send(await alice.createRoom(), secret(server, -HOUR_MS))
    expect([await scheduled(server), await kept(server, 'pineapple')]).toEqual([0, 1])
    const { unstable_features: features } = (await server.call('GET', '/_matrix/client/versions')).body
    expect(features).not.toHaveProperty(['org.matrix.msc2228'])
  })
})

test('messages of other servers go too, and others are given no more than what is left', async () => {
  const network = createTestNetwork()
  try {
    const [here, there] = [
      await network.start('here.example', undefined, { roomServer }),
      await network.start('there.example'),
    ]
    const [alice, bob] = [await enter(here, 'alice'), await enter(there, 'bob')]
    const room = await alice.createRoom({ preset: 'public_chat' })
    await bob.post(`/join/${encodeURIComponent(room)}?via=here.example`)
    const ours = await alice.send(room, secret(here, HOUR_MS))
    const theirs = await bob.send(room, secret(here, HOUR_MS))
    await settled(here, there)
    expect([await kept(here, 'pineapple'), await scheduled(here)]).toEqual([2, 2])
    await expireEvents({ ...here.app, ...handTime(here.app.clock.now() + HOUR_MS) })
    expect([await kept(here, 'pineapple'), await kept(there, 'pineapple')]).toEqual([0, 2])
    for (const id of [ours, theirs]) {
      const uri = `/_matrix/federation/v1/event/${encodeURIComponent(id)}`
      const { pdus } = await network.ask(there, 'here.example', { method: 'GET', uri })
      expect(pdus).toMatchObject([{ content: {}, hashes: { sha256: expect.any(String) } }])
    }
    // What comes after it is taken in by both.
    const last = await bob.send(room, 'after')
    await settled(here, there)
    expect((await alice.get(`${inRoom(room)}/event/${last}`)).content.body).toBe('after')
  } finally {
    await network.stop()
  }
})
