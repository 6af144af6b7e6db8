import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type EventRow, eventsById } from '../store/events.ts'
import { membershipOf } from '../store/memberships.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'
import { visibleEvents } from './visible-events.ts'

/** The room, if the user is in it. Errors: M_FORBIDDEN. */
export async function joinedRoom(app: App, userId: string, roomId: string): Promise<RoomRow> {
  const row = await roomById(app.db, roomId)
  const membership = row && (await membershipOf(app.db, row.room, userId))
  if (row === undefined || membership?.membership !== 'join')
    throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  return row
}

/** An event that the user may see, in a room that they have not forgotten. Errors: M_NOT_FOUND. */
export async function visibleEvent(
  app: App,
  userId: string,
  roomId: string,
  eventId: string,
): Promise<{ readonly room: RoomRow; readonly event: EventRow }> {
  const room = await roomById(app.db, roomId)
  const membership = room && (await membershipOf(app.db, room.room, userId))
  if (room === undefined || membership?.forgotten === 1) throw unknownEvent()
  const [event] = await readableEvents(app, userId, room, [eventId])
  return { room, event: event! }
}

/** Those events of a room that the user may see. Errors: M_NOT_FOUND when one is unknown, or not the user's to see. */
export async function readableEvents(
  app: App,
  userId: string,
  room: RoomRow,
  eventIds: readonly string[],
): Promise<EventRow[]> {
  const known = await eventsById(app.db, eventIds, app.db.safePosition())
  const found = known.filter((event) => event.room === room.room)
  const visible = await visibleEvents(app, userId, found)
  return eventIds.map((eventId) => {
    const event = visible.find((row) => row.event_id === eventId)
    if (event === undefined) throw unknownEvent()
    return event
  })
}

function unknownEvent(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'The event is not known, or not yours to see.')
}
