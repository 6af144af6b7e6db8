import { expect, test } from 'vitest'
import { write } from '../../src/actions/write.ts'
import { sql } from '../../src/db/sql.ts'
import { NEWS_ROWS, oldestLogRow } from '../../src/store/log.ts'
import { forgetOldRowsTask } from '../../src/tasks/forget-old-rows.ts'
import { pruneLogTask } from '../../src/tasks/prune-log.ts'
import type { Again, TaskKind } from '../../src/tasks/run.ts'
import { eachServer } from '../helpers/each-server.ts'
import { handTime } from '../helpers/hand-time.ts'
import { inRoom, sessionOf } from '../helpers/session.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

eachServer({}, (server) => {
  const runner =
    (time: ReturnType<typeof handTime>, kind: TaskKind) =>
    async (payload: Again['payload'] = {}) => {
      const task = { id: kind.kind, payload, failures: 0, signal: new AbortController().signal }
      return (await kind.run({ ...server.app, ...time }, task)) as Again
    }

  test('rows of the log go when they are old, nobody reads on from them, and no sync looks for them', async () => {
    const alice = sessionOf(server, await server.register('prune'))
    const room = await alice.createRoom({})
    const since = await alice.sync()
    await alice.send(room, 'long ago')
    const time = handTime(0)
    const run = runner(time, pruneLogTask)
    const first = await run()
    expect(first.afterMs).toBe(6 * HOUR_MS)
    const before = await oldestLogRow(server.app.db)
    const marked = server.app.db.safePosition()
    const filler = Array.from({ length: 2 * NEWS_ROWS + 10 }, () => ({ kind: 'filler' }))
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
    // The room's news of before then comes all the same.
    const timeline = (await alice.sync(since)).rooms.join[room].timeline.events
    expect(timeline.map((event: { content: { body: string } }) => event.content.body)).toEqual(['long ago'])
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
    const run = runner(time, forgetOldRowsTask)
    await run()
    expect(await count()).toEqual([expect.any(Number), 1, 1])
    expect((await alice.call('PUT', path, { body: 'again' })).body.event_id).toBe(eventId)
    time.pass(7 * DAY_MS + HOUR_MS)
    expect((await run()).afterMs).toBe(HOUR_MS)
    expect(await count()).toEqual([0, 0, 0])
  })
})
