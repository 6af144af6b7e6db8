import type { App } from '../app.ts'
import type { Event } from '../core/event.ts'
import { own } from '../core/json.ts'
import type { Batch } from '../db/database.ts'
import { EXPIRE_EVENTS, insertExpiry } from '../store/expiry.ts'
import { taskDueBy } from '../store/tasks.ts'

/** MSC2228, "Self-destructing events", under the name of its implementations: milliseconds since 1970. */
const SELF_DESTRUCT_AFTER = 'org.matrix.self_destruct_after'

/**
 * What the batch that stores an event has to say of the time at which its content goes, if it names one: as soon as it
 * is stored, where that time has passed. State stays.
 */
export function noteExpiry(
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
