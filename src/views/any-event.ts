import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { eventsById, eventsNearTime } from '../store/events.ts'
import { roomByNumber } from '../store/rooms.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { keptEvents } from './expired.ts'
import { anyRoom } from './readable-room.ts'

/** An event of any room, for administrators, as JSON text. Errors: M_NOT_FOUND. */
export async function anyEvent(app: App, viewer: Viewer, eventId: string): Promise<string> {
  const [row] = await keptEvents(app, await eventsById(app.db, [eventId], app.db.safePosition()))
  const room = row && (await roomByNumber(app.db, row.room))
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The event is not known to this server.')
  const [text] = await clientEvents(app, viewer, [row!], () => ({ roomId: room.room_id, version: room.version }))
  return text!
}

/** The event of any room that is nearest to a time, for administrators. Errors: M_NOT_FOUND. */
export async function anyEventNearTime(app: App, roomId: string, ts: number, dir: 'b' | 'f') {
  const { room } = await anyRoom(app, roomId)
  const [row] = await eventsNearTime(app.db, room, ts, dir, app.db.safePosition(), 1, 0)
  if (row === undefined)
    throw new MatrixError('M_NOT_FOUND', `There is no event ${dir === 'f' ? 'after' : 'before'} ${ts}.`)
  return { event_id: row.event_id, origin_server_ts: row.origin_server_ts }
}
