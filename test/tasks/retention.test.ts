import { expect, test } from 'vitest'
import { deactivate } from '../../src/actions/accounts/deactivate.ts'
import { reactivate } from '../../src/actions/accounts/reactivate.ts'
import { forgetOldRows } from '../../src/actions/forget-old-rows.ts'
import { setBlocked } from '../../src/actions/rooms/evacuate-room.ts'
import { write } from '../../src/actions/write.ts'
import type { UserId } from '../../src/core/ids.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { logPosition, sql } from '../../src/db/sql.ts'
import { oldestLogRow, slowestCursor } from '../../src/store/log.ts'
import { storePresence } from '../../src/store/presence.ts'
import { leaveRoomsTask } from '../../src/tasks/leave-rooms.ts'
import { pruneOnce } from '../../src/tasks/prune-log.ts'
import { deviceKeysOf } from '../helpers/device-keys.ts'
import { eachServer } from '../helpers/each-server.ts'
import { handTime } from '../helpers/hand-time.ts'
import { TEST_PASSWORD } from '../helpers/server.ts'
import { enter, inRoom, type Session, sessionOf } from '../helpers/session.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEPT_ROWS = 20

eachServer({}, (server) => {
  test('rows of the log go when they are old and nobody reads on from them, the newest never', async () => {
    const alice = sessionOf(server, await server.register('prune'))
    const room = await alice.createRoom({})
    await alice.send(room, 'long ago')
    const time = handTime(0)
    const run = (payload: JsonObject = {}) => pruneOnce({ ...server.app, ...time }, { payload }, KEPT_ROWS)
    const first = await run()
    expect(first.afterMs).toBe(6 * HOUR_MS)
    const before = await oldestLogRow(server.app.db)
    const marked = server.app.db.safePosition()
    const filler = Array.from({ length: KEPT_ROWS + 10 }, () => ({ kind: 'filler' }))
    await write(server.app, { guards: [], writes: [], log: filler })
    time.pass(29 * DAY_MS)
    const second = await run(first.payload)
    expect(await oldestLogRow(server.app.db)).toBe(before)
    time.pass(2 * DAY_MS)
    const cursor = sql`INSERT INTO cursors (name, position) VALUES ('slow', ${marked - 3})`
    await write(server.app, { guards: [], writes: [cursor], log: [] })
    expect((await run(second.payload)).afterMs).toBe(6 * HOUR_MS)
    expect(await oldestLogRow(server.app.db)).toBe(marked - 2)
    await write(server.app, { guards: [], writes: [sql`DELETE FROM cursors WHERE name = 'slow'`], log: [] })
    await run(second.payload)
    expect(await oldestLogRow(server.app.db)).toBe(marked + 1)
  })

  test('rows of the log go at any age that is configured, and marks do not grow without end', async () => {
    const { config } = server.app
    const database = { ...config.global.database, log_max_age: 400 * DAY_MS }
    const time = handTime(0)
    const app = { ...server.app, ...time, config: { ...config, global: { ...config.global, database } } }
    const last = server.app.db.safePosition()
    // A follower that has not come so far yet keeps what it needs.
    const needed = Math.min(last, (await slowestCursor(server.app.db)) ?? last)
    let payload: JsonObject = {}
    for (let run = 0; run < 4 * 410; run++) {
      const next = await pruneOnce(app, { payload }, 0)
      payload = next.payload ?? payload
      time.pass(6 * HOUR_MS)
    }
    expect((payload.marks as unknown[]).length).toBeLessThan(500)
    expect((await oldestLogRow(server.app.db)) ?? last + 1).toBeGreaterThan(needed)
  })

  test('transactions, originals of redacted events and what has expired are forgotten in time', async () => {
    const alice = sessionOf(server, await server.register('forget'))
    const room = await alice.createRoom({})
    const path = `${inRoom(room)}/send/m.room.message/once`
    const { event_id: eventId } = (await alice.call('PUT', path, { body: 'once' })).body
    await alice.call('PUT', `${inRoom(room)}/redact/${eventId}/gone`, {})
    await alice.call('POST', `/_matrix/client/v3/user/${alice.userId}/openid/request_token`, {})
    const count = async () => {
      const tables = [sql`transactions`, sql`redacted_originals`, sql`openid_tokens`]
      const counts = await Promise.all(tables.map((table) => server.app.db.read(sql`SELECT 1 AS one FROM ${table}`)))
      return counts.map((rows) => rows.length)
    }
    expect(await count()).toEqual([expect.any(Number), 1, 1])
    const time = handTime(server.app.clock.now())
    const run = () => forgetOldRows({ ...server.app, ...time }, undefined, 1)
    await run()
    expect(await count()).toEqual([expect.any(Number), 1, 1])
    expect((await alice.call('PUT', path, { body: 'again' })).body.event_id).toBe(eventId)
    time.pass(7 * DAY_MS + HOUR_MS)
    await run()
    expect(await count()).toEqual([0, 0, 0])
  })

  test('of users of other servers the presence is kept who is in a room, or new', async () => {
    const { app } = server
    const member = await enter(server, 'present')
    const ids = [member.userId, '@old:far.example', '@new:far.example', '@in:far.example']
    const aged = (userId: string) => app.clock.now() - (userId.startsWith('@new') ? HOUR_MS : 2 * DAY_MS)
    const rows = ids.map((id) => ({ user_id: id, presence: 'online', status_msg: null, last_active_ts: aged(id) }))
    const joined = sql`INSERT INTO memberships (room, user_id, membership, sender, position)
      VALUES (987654, '@in:far.example', 'join', '@in:far.example', 1)`
    const writes = [...rows.map((row, index) => storePresence(row, logPosition(index))), joined]
    await write(app, { guards: [], writes, log: rows.map((row) => ({ kind: 'presence', subject: row.user_id })) })
    await forgetOldRows(app, undefined, 1)
    const left = await app.db.read<{ user_id: string }>(sql`SELECT user_id FROM presence ORDER BY user_id`)
    expect(left.map((row) => row.user_id)).toEqual([ids[3], ids[2], ids[0]])
  })

  test('of the messages to a device that never fetches them the newest stay', async () => {
    const [alice, bob] = [await enter(server, 'sender'), await enter(server, 'asleep')]
    const send = (user: Session, n: number) =>
      alice.put(`/sendToDevice/org.example.n/${user.deviceId}${n}`, {
        messages: { [user.userId]: { [user.deviceId]: { n } } },
      })
    for (let n = 0; n < 8; n++) await send(bob, n)
    for (let n = 0; n < 5; n++) await send(alice, n)
    await forgetOldRows(server.app, 5)
    const waiting = async (user: Session) =>
      (await user.sync()).to_device.events.map(({ content }: { content: { n: number } }) => content.n)
    expect(await waiting(bob)).toEqual([3, 4, 5, 6, 7])
    expect(await waiting(alice)).toEqual([0, 1, 2, 3, 4])
  })

  test('of the changes of a device list that are older than the log the newest stays', async () => {
    const alice = await enter(server, 'keys')
    const upload = () => alice.post('/keys/upload', { device_keys: deviceKeysOf(alice).keys })
    const changes = () =>
      server.app.db.read<{ position: number }>(sql`SELECT position FROM device_list_changes
        WHERE user_id = ${alice.userId} ORDER BY position`)
    for (let n = 0; n < 3; n++) await upload()
    const old = await changes()
    await alice.send(await alice.createRoom(), 'from here on the log is kept')
    const pruned = sql`DELETE FROM log WHERE position <= ${old.at(-1)!.position}`
    await write(server.app, { guards: [], writes: [pruned], log: [] })
    for (let n = 0; n < 2; n++) await upload()
    const all = await changes()
    expect(all).toHaveLength(6)
    await forgetOldRows(server.app, undefined, 1)
    expect(await changes()).toEqual(all.slice(3))
  })

  test('the rooms of a closed account are left by whoever is there; who is open again stays', async () => {
    const [host, gone, back] = [await enter(server, 'host'), await enter(server, 'gone'), await enter(server, 'back')]
    const { app } = server
    const [room, stuck] = [
      await host.createRoom({ preset: 'public_chat' }),
      await host.createRoom({ preset: 'public_chat' }),
    ]
    for (const user of [gone, back]) await user.join(room)
    await gone.join(stuck)
    await setBlocked(app, stuck, true)
    for (const { userId } of [gone, back]) await deactivate(app, userId as UserId, false)
    await reactivate(app, back.userId, TEST_PASSWORD)
    const rows = await app.db.read<{ payload: string }>(sql`SELECT payload FROM tasks WHERE kind = 'leave_rooms'`)
    expect(rows.map(({ payload }) => JSON.parse(payload).userId).sort()).toEqual([back.userId, gone.userId])

    const { signal } = new AbortController()
    const run = (payload: object) =>
      leaveRoomsTask.run(app, { id: 'x', payload: payload as JsonObject, failures: 0, signal })
    const { userId } = gone
    expect(await run({ userId })).toEqual({ afterMs: 50, payload: { userId, round: 1, failed: 1 } })
    expect(await host.membership(room, userId)).toBe('leave')
    expect(await run({ userId, failed: 1 })).toEqual({ afterMs: 6 * HOUR_MS, payload: { userId, round: 2 } })
    expect(await run({ userId, failed: 1, round: 12 })).toBe(undefined)
    await setBlocked(app, stuck, false)
    expect(await run({ userId, round: 2 })).toEqual({ afterMs: 50, payload: { userId, round: 2, failed: 0 } })
    expect([await run({ userId }), await run({ userId: back.userId })]).toEqual([undefined, undefined])
    expect(await host.membership(room, back.userId)).toBe('join')
  })
})
