import { expect, test } from 'vitest'
import { buildEvent } from '../../src/core/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { generateSigningKey } from '../../src/core/keys.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import type { Batch, Database } from '../../src/db/database.ts'
import { logPosition, sql } from '../../src/db/sql.ts'
import { insertEvent } from '../../src/store/events.ts'
import { replaceHeads } from '../../src/store/rooms.ts'
import { insertTransaction, transactionIsNew } from '../../src/store/transactions.ts'
import { eachEngine } from '../helpers/databases.ts'

const key = generateSigningKey((length) => Buffer.alloc(length, 7))
const transaction = (txnId: string) => ({
  userId: '@alice:localhost',
  deviceId: 'A',
  endpoint: 'send',
  roomId: '!room:localhost',
  txnId,
})

/** A message as a send writes it, each column with something of its own. */
function message(number: number, room: number): Batch {
  const related = { rel_type: 'm.thread', event_id: `$root${number}` }
  const event = buildEvent(
    roomVersion('10')!,
    {
      roomId: `!${room}:localhost` as RoomId,
      type: 'm.room.message',
      stateKey: number % 2 === 0 ? null : `key "${number}" \\ {,}`,
      sender: '@alice:localhost' as UserId,
      content: { body: `{"${number}"}, \\ 'NULL'`, ...(number % 3 === 0 ? { 'm.relates_to': related } : {}) },
      originServerTs: 1_000 + number,
      depth: 2_000 + number,
      prevEvents: ['$a' as EventId, `$b${number}` as EventId],
      authEvents: [],
    },
    'localhost' as ServerName,
    key,
  )
  const place = {
    event: number,
    room,
    position: logPosition(0),
    topo: 3_000 + number,
    snapshot: number % 2 === 0 ? null : 4_000 + number,
    historyVisibility: 'shared',
    previous: number % 2 === 0 ? 5_000 + number : null,
    aside: number % 4 === 0 ? ('soft_failed' as const) : undefined,
  }
  const txn = transaction(String(number))
  const writes = [...insertEvent(event, place, [90, 91]), insertTransaction(txn, event.eventId, 6_000 + number)]
  return {
    guards: [transactionIsNew(txn)],
    writes: [...writes, ...replaceHeads(room, [0], [number], 7_000 + number)],
    log: [{ kind: 'event', room, subject: event.eventId }],
  }
}

const TABLES = [
  sql`SELECT * FROM events ORDER BY event`,
  sql`SELECT * FROM event_prev ORDER BY event, prev_event_id`,
  sql`SELECT * FROM event_auth ORDER BY event, auth_event`,
  sql`SELECT * FROM transactions ORDER BY created_ts`,
  sql`SELECT * FROM heads ORDER BY room`,
]

async function all(db: Database): Promise<unknown[]> {
  const found: unknown[] = []
  for (const table of TABLES) found.push(await db.read(table))
  return found
}

eachEngine((_engine, fresh) => {
  const open = async () => {
    const db = await (await fresh()).open()
    const heads = [1, 2].map((room) => sql`INSERT INTO heads (room, event, snapshot) VALUES (${room}, 0, NULL)`)
    await db.commit({ guards: [], writes: heads, log: [] })
    return db
  }

  test('messages that are written together are what each is when written alone', async () => {
    const [alone, together] = [await open(), await open()]
    const batches = () => [1, 2, 3, 4, 5].map((number) => message(number, 1 + (number % 2)))
    for (const batch of batches()) await alone.commit(batch)
    const outcomes = await Promise.all(batches().map((batch) => together.commit(batch)))
    expect(outcomes).toEqual([1, 2, 3, 4, 5].map((position) => ({ committed: true, positions: [position] })))
    const expected = await all(alone)
    expect(expected.map((rows) => (rows as unknown[]).length)).toEqual([5, 10, 10, 5, 2])
    expect(await all(together)).toEqual(expected)
  })

  test('a transaction that another process was first with falls alone, with what is built on it', async () => {
    const db = await open()
    await db.commit({ guards: [], writes: [insertTransaction(transaction('2'), '$first', 0)], log: [] })
    const [second, third] = [message(2, 1), message(3, 1)]
    const outcomes = await Promise.all([
      db.commit(message(1, 2)),
      db.commit(second),
      db.commit({ ...third, basedOn: second }),
      db.commit(message(4, 2)),
    ])
    const { about } = transactionIsNew(transaction('2'))
    expect(outcomes).toEqual([
      { committed: true, positions: [1] },
      { committed: false, failed: about },
      { committed: false, failed: about },
      { committed: true, positions: [2] },
    ])
    expect(await db.commit(message(2, 1))).toEqual({ committed: false, failed: about })
    expect(await db.read(sql`SELECT event FROM events ORDER BY event`)).toEqual([{ event: 1 }, { event: 4 }])
  })
})
