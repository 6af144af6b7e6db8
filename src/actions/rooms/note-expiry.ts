import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { own } from '../../core/json.ts'
import type { Batch } from '../../db/database.ts'
import { EXPIRE_EVENTS, insertExpiry } from '../../store/expiry.ts'
import { cameLate } from '../../store/purge.ts'
import { taskDueBy } from '../../store/tasks.ts'

/** MSC2228, "Self-destructing events", under the name of its implementations: milliseconds since 1970. */
const SELF_DESTRUCT_AFTER = 'org.matrix.self_destruct_after'

/** What comes by the usual ways is younger. */
const LATE_MS = 60_000

/**
 * What the batch that stores an event has to say of the time at which its content goes: that which it names itself, as
 * soon as it is stored where that time has passed; and that it came late, where rooms do not keep everything. State
 * stays.
 */
export function noteExpiry(
  app: Pick<App, 'config' | 'clock'>,
  room: number,
  event: Pick<Event, 'stateKey' | 'content' | 'originServerTs'>,
  number: number,
): Pick<Batch, 'writes' | 'log'> {
  const itself = noteEnd(app, event, number)
  const { stateKey, originServerTs: ts } = event
  const isLate = stateKey === null && ts < app.clock.now() - LATE_MS
  if (!isLate || !app.config.room_server.retention.enabled) return itself
  return { ...itself, writes: [...itself.writes, cameLate(room, ts)] }
}

function noteEnd(
  app: Pick<App, 'config' | 'clock'>,
  event: Pick<Event, 'stateKey' | 'content'>,
  number: number,
): Pick<Batch, 'writes' | 'log'> {
  const expiresTs = own(event.content, SELF_DESTRUCT_AFTER)
  const { enable_ephemeral_messages: enabled } = app.config.room_server
  if (!enabled || event.stateKey !== null || !Number.isSafeInteger(expiresTs)) return { writes: [], log: [] }
  const runAt = Math.max(expiresTs as number, 0)
  const task = taskDueBy({ id: EXPIRE_EVENTS, kind: EXPIRE_EVENTS, runAt, payload: '{}' }, app.clock.now())
  return { writes: [insertExpiry(number, runAt), ...task.writes], log: task.log }
}
