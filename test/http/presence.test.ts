import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { createPresenceWatch } from '../../src/live/presence.ts'
import { eachEngine } from '../helpers/databases.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { inRoom, type Json, type Session, sessionOf } from '../helpers/session.ts'

const ON = { presence: { enable_outbound: true, enable_inbound: true } }
const OFFLINE = { set_presence: 'offline' }

eachEngine((engine, fresh) => {
  let server: TestServer
  afterEach(() => server.stop())

  async function people(global: Record<string, unknown>, ...names: string[]): Promise<Session[]> {
    const { options, dir } = await fresh()
    const uri = engine === 'postgres' ? options.connectionString : `file:${join(dir, 'server.db')}`
    server = await startTestServer({}, uri, { global })
    const sessions: Session[] = []
    for (const name of names) sessions.push(sessionOf(server, await server.register(name)))
    return sessions
  }

  const status = (who: Session) => `/presence/${encodeURIComponent(who.userId)}/status`
  /** What the answer says of the user, or undefined. */
  const shown = (answer: Json, who: Session): Json =>
    answer.presence?.events.find((event: Json) => event.sender === who.userId)?.content

  test('presence reaches those who share a room, at once, and nobody else', async () => {
    const [alice, bob, eve] = (await people(ON, 'alice', 'bob', 'eve')) as [Session, Session, Session]
    const roomId = await alice.createRoom({ preset: 'public_chat' })
    await bob.join(roomId)
    const since = await bob.sync(undefined, OFFLINE)
    expect(shown(since, bob)?.presence).toBe('offline')
    const eveSince = await eve.sync(undefined, OFFLINE)
    const poll = bob.sync(since, { ...OFFLINE, timeout: 30_000 })
    await alice.put(status(alice), { presence: 'unavailable', status_msg: 'at lunch' })
    const expected = { presence: 'unavailable', status_msg: 'at lunch', last_active_ago: expect.any(Number) }
    expect(shown(await poll, alice)).toEqual(expected)
    expect(await bob.get(status(alice))).toEqual(expected)
    expect((await eve.sync(eveSince, OFFLINE)).presence).toBeUndefined()
    expect((await eve.call('GET', status(alice))).status).toBe(403)
    expect((await eve.call('PUT', status(alice), { presence: 'online' })).status).toBe(403)
    expect((await eve.call('GET', '/presence/@nobody:test.example/status')).status).toBe(404)
    expect((await alice.call('PUT', status(alice), { presence: 'elsewhere' })).status).toBe(400)
    const long = { presence: 'online', status_msg: 'x'.repeat(3_000) }
    expect((await alice.call('PUT', status(alice), long)).status).toBe(400)

    const filter = { presence: { not_senders: [alice.userId] } }
    expect(shown(await bob.sync(undefined, { ...OFFLINE, filter }), alice)).toBeUndefined()
    // Who comes into a room sees who is there.
    await eve.join(roomId)
    expect(shown(await eve.sync(eveSince, OFFLINE), alice)).toEqual(expected)
    // And is seen.
    await eve.put(status(eve), { presence: 'online' })
    const met = await alice.sync(undefined, OFFLINE)
    await eve.post(`${inRoom(roomId)}/leave`)
    await eve.put(status(eve), { presence: 'unavailable' })
    expect(shown(await alice.sync(met, OFFLINE), eve)).toBeUndefined()
    // The first sync goes by the rooms of its user.
    const seenBy = async (who: Session) =>
      (await who.sync(undefined, OFFLINE)).presence.events.map((event: Json) => event.sender).sort()
    expect(await seenBy(bob)).toEqual([alice.userId, bob.userId])
    expect(await seenBy(eve)).toEqual([eve.userId])
  })

  test('who syncs is online, and keeps the status message', async () => {
    const [alice] = (await people(ON, 'alice')) as [Session]
    await alice.put(status(alice), { presence: 'offline', status_msg: 'here' })
    const first = await alice.sync()
    expect(shown(first, alice)).toMatchObject({ presence: 'online', currently_active: true, status_msg: 'here' })
    const { safePosition } = server.app.db
    const before = safePosition()
    const second = await alice.sync(first)
    // Being there still is no news, and nothing is written for it.
    expect([second.presence, safePosition()]).toEqual([undefined, before])
    expect(shown(await alice.sync(second, { set_presence: 'unavailable' }), alice).presence).toBe('unavailable')
  })

  test('where it is switched off, nothing is told or stored', async () => {
    const [alice] = (await people({}, 'alice')) as [Session]
    await alice.put(status(alice), { presence: 'online', status_msg: 'here' })
    expect((await alice.sync()).presence).toBeUndefined()
    expect(await alice.get(status(alice))).toEqual({ presence: 'offline' })
  })
})

test('who has not synced for a while is gone, who syncs again in time is not', () => {
  const due: { delayMs: number; run: () => void }[] = []
  const watch = createPresenceWatch({
    after(delayMs, run) {
      const entry = { delayMs, run }
      due.push(entry)
      return () => void due.splice(due.indexOf(entry), 1)
    },
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
  })
  const gone: string[] = []
  const ended = () => watch.ended('@a:b', () => gone.push('@a:b'))
  watch.began('@a:b')
  watch.began('@a:b')
  ended()
  expect(due).toHaveLength(0)
  ended()
  expect(due.map((entry) => entry.delayMs)).toEqual([30_000])
  watch.began('@a:b')
  expect(due).toHaveLength(0)
  ended()
  due[0]?.run()
  expect(gone).toEqual(['@a:b'])
})
