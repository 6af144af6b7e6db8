import type { App } from '../../app.ts'
import { serverNameOf } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { eventsNearTime, type HistoryPlace } from '../../store/events.ts'
import { type HistoryPurge, historyPurgeTask } from '../../store/history-purges.ts'
import { pdusById } from '../../store/pdus.ts'
import { eventsBetween } from '../../store/purge.ts'
import { roomById } from '../../store/rooms.ts'
import { newTask } from '../../store/tasks.ts'
import { write } from '../write.ts'
import { PURGED_AT_ONCE, purged } from './purge-events.ts'

const ID_BYTES = 12

/** Where the history that goes ends: before an event, or before the last one up to a time (milliseconds since 1970). */
export type PurgeEnd = { readonly eventId: string } | { readonly ts: number }

/**
 * Has the messages of a room before an event taken, by whatever process; resolves with the id to ask by. Errors:
 * M_NOT_FOUND; M_INVALID_PARAM for an event of another room.
 */
export async function beginHistoryPurge(app: App, roomId: string, end: PurgeEnd, localToo: boolean): Promise<string> {
  const row = await roomById(app.db, roomId)
  if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const before = { topo: await topoOf(app, row.room, end), event: 0 }
  const after = { topo: Number.MIN_SAFE_INTEGER, event: 0 }
  const purgeId = app.random.bytes(ID_BYTES).toString('base64url')
  const purge = { room: row.room, after, before, localToo, done: false }
  await write(app, { guards: [], ...newTask(historyPurgeTask(purgeId, purge, app.clock.now())) })
  return purgeId
}

async function topoOf(app: App, room: number, end: PurgeEnd): Promise<number> {
  if ('ts' in end) {
    const [last] = await eventsNearTime(app.db, room, end.ts, 'b', app.db.safePosition(), 1, 0)
    if (last === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no event up to that time.')
    return last.topo
  }
  const [event] = (await pdusById(app.db, [end.eventId])).filter((row) => row.outlier === 0)
  if (event === undefined) throw new MatrixError('M_NOT_FOUND', 'The event is not known to this server.')
  if (event.room !== room) throw new MatrixError('M_INVALID_PARAM', 'The event is in another room.')
  return event.topo
}

/** One batch of it, which may be written twice. Resolves with where the next one begins; undefined: it is done. */
export async function purgeHistory(
  app: App,
  { room, after, before, localToo }: HistoryPurge,
  atOnce = PURGED_AT_ONCE,
): Promise<HistoryPlace | undefined> {
  const rows = await eventsBetween(app.db, room, after, before, atOnce)
  const going = rows.filter(({ sender }) => localToo || serverNameOf(sender as `@${string}`) !== app.serverName)
  const writes = await purged(app, going)
  if (writes.length > 0) await write(app, { guards: [], writes, log: [] })
  const last = rows.length < atOnce ? undefined : rows.at(-1)
  return last && { topo: last.topo, event: last.event }
}
