import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { eventsByNumber } from '../store/events.ts'
import { roomById } from '../store/rooms.ts'
import { currentState } from '../store/state.ts'
import { clientEvents, type Viewer } from './client-events.ts'

/** The current state of any room, for administrators, as JSON texts. Errors: M_NOT_FOUND. */
export async function wholeState(app: App, viewer: Viewer, roomId: string): Promise<string[]> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const entries = await currentState(app.db, room.room)
  const rows = await eventsByNumber(
    app.db,
    entries.map((entry) => entry.event),
  )
  return clientEvents(app, viewer, rows, () => ({ roomId, version: room.version }))
}
