import type { App } from '../app.ts'
import { eventsByNumber } from '../store/events.ts'
import { currentState } from '../store/state.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { anyRoom } from './readable-room.ts'

/** The current state of any room, for administrators, as JSON texts. Errors: M_NOT_FOUND. */
export async function wholeState(app: App, viewer: Viewer, roomId: string): Promise<string[]> {
  const room = await anyRoom(app, roomId)
  const entries = await currentState(app.db, room.room)
  const rows = await eventsByNumber(
    app.db,
    entries.map((entry) => entry.event),
  )
  return clientEvents(app, viewer, rows, () => ({ roomId, version: room.version }))
}
