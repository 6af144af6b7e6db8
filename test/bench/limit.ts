import { mkdirSync } from 'node:fs'
import { buildEvent } from '../../src/core/event.ts'
import type { EventId, RoomId, ServerName, UserId } from '../../src/core/ids.ts'
import { generateSigningKey } from '../../src/core/keys.ts'
import { roomVersion } from '../../src/core/room-version.ts'
import { migrate } from '../../src/db/migrate.ts'
import { openDatabase } from '../../src/db/open.ts'
import { logPosition } from '../../src/db/sql.ts'
import { systemClock, systemRandom, systemTimers } from '../../src/live/time.ts'
import { insertEvent } from '../../src/store/events.ts'
import { MIGRATIONS } from '../../src/store/migrations/index.ts'

/**
 * The yardstick: events built, hashed, signed and stored durably by the same code with no server around, `inFlight` at
 * a time. Answers with events a second.
 */
export async function machineLimit(dir: string, inFlight: number, seconds: number): Promise<number> {
  mkdirSync(dir, { recursive: true })
  const time = { clock: systemClock, timers: systemTimers }
  const options = { connectionString: 'file:limit.db' }
  await migrate(options, MIGRATIONS, dir, time)
  const db = await openDatabase(options, dir, time)
  const key = generateSigningKey((length) => systemRandom.bytes(length))
  const version = roomVersion('12')!
  let count = 0
  const until = performance.now() + seconds * 1_000
  await Promise.all(
    Array.from({ length: inFlight }, async (_, writer) => {
      for (let n = 0; performance.now() < until; n++) {
        const event = buildEvent(
          version,
          {
            roomId: '!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' as RoomId,
            type: 'm.room.message',
            stateKey: null,
            sender: '@user:localhost' as UserId,
            content: { msgtype: 'm.text', body: `Message ${n} of ${writer}, as long as people write them on a day.` },
            originServerTs: systemClock.now(),
            depth: n,
            prevEvents: ['$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' as EventId],
            authEvents: [],
          },
          'localhost' as ServerName,
          key,
        )
        const place = { event: await db.nextId('event'), room: writer, position: logPosition(0), topo: n }
        const rest = { snapshot: null, historyVisibility: 'shared', previous: null }
        await db.commit({
          guards: [],
          writes: insertEvent(event, { ...place, ...rest }, []),
          log: [{ kind: 'event', room: writer, subject: event.eventId }],
        })
        count++
      }
    }),
  )
  await db.close()
  return Math.round(count / seconds)
}
