import { expect, test } from 'vitest'
import { sql } from '../../src/db/sql.ts'
import { newestOfEachRoom } from '../../src/store/appservice-news.ts'
import { newestPdusFor } from '../../src/store/federation-outbox.ts'
import type { StoredLogRow } from '../../src/store/log.ts'
import { eachEngine } from '../helpers/databases.ts'

const event = (number: number, sender: string, more: { readonly position: number; readonly softFailed?: number }) =>
  sql`INSERT INTO events (event, event_id, room, position, topo, type, sender, origin_server_ts, depth, content,
    envelope, soft_failed) VALUES (${number}, ${`$${number}`}, 1, ${more.position}, ${number}, 'm.room.message',
    ${sender}, 0, ${number}, '{}', '{}', ${more.softFailed ?? 0})`

eachEngine((_engine, fresh) => {
  test('the newest of a room is found without the log, as far as the server was in it', async () => {
    const db = await (await fresh()).open()
    const writes = [
      sql`INSERT INTO room_servers (room, server, from_position, to_position) VALUES (1, 'b.example', 3, NULL)`,
      sql`INSERT INTO room_servers (room, server, from_position, to_position) VALUES (1, 'c.example', 1, 4)`,
      event(2, '@alice:a.example', { position: 2 }),
      event(4, '@alice:a.example', { position: 4 }),
      event(5, '@alice:a.example', { position: 5 }),
      event(6, '@alice:a.example', { position: 6, softFailed: 1 }),
      event(7, '@bob:b.example', { position: 7 }),
    ]
    await db.commit({ guards: [], writes, log: [] })
    const newest = async (server: string, since: number, to: number) =>
      (await newestPdusFor(db, { server, ourName: 'a.example', since, to }, 50)).map((row) => row.event_id)
    expect(await newest('b.example', 0, 9)).toEqual(['$5'])
    expect(await newest('b.example', 0, 4)).toEqual(['$4'])
    expect(await newest('b.example', 5, 9)).toEqual([])
    expect(await newest('c.example', 0, 9)).toEqual(['$4'])
    expect(await newest('d.example', 0, 9)).toEqual([])
    await db.close()
  })

  test('the newest of all rooms are found in steps, each room once', async () => {
    const db = await (await fresh()).open()
    const room = (number: number) => sql`INSERT INTO rooms (room, room_id) VALUES (${number}, ${`!${number}`})`
    const events = [2, 3, 4, 5, 6].map((position) => event(position, '@alice:a.example', { position }))
    const elsewhere = sql`UPDATE events SET room = 2, type = 'm.room.member', state_key = '@b' WHERE event IN (3, 4)`
    await db.commit({ guards: [], writes: [room(1), room(2), room(3), ...events, elsewhere], log: [] })
    const steps: StoredLogRow[] = []
    for (let since = 1, rows = await newestOfEachRoom(db, since, 5, 1); rows.length > 0; ) {
      steps.push(...rows)
      since = rows[0]!.position
      rows = await newestOfEachRoom(db, since, 5, 1)
    }
    const row = { kind: 'event', device_id: null }
    expect(steps).toEqual([
      { ...row, position: 4, room: 2, subject: '$4', user_id: '@b' },
      { ...row, position: 5, room: 1, subject: '$5', user_id: null },
    ])
    await db.close()
  })
})
