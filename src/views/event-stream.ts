import type { App } from '../app.ts'
import { type EventRow, eventsById } from '../store/events.ts'
import { eventRowsAfter } from '../store/log.ts'
import { roomsOfUser } from '../store/memberships.ts'
import { roomByNumber } from '../store/rooms.ts'
import { clientEvents, type RoomShown, type Viewer } from './client-events.ts'
import { longPoll } from './long-poll.ts'
import { visibleEvent } from './readable-event.ts'
import { readableRoom } from './readable-room.ts'
import { positionOf, syncToken } from './tokens.ts'
import { visibleEvents } from './visible-events.ts'

export interface EventStreamRequest {
  readonly viewer: Viewer
  readonly from: string | undefined
  /** Only this room, which need not be one of the user's; undefined: all that the user is in. */
  readonly roomId: string | undefined
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

const MAX_EVENTS = 100

/**
 * The events after the token, as JSON text, which waits for the first of them up to the timeout (`GET /events`): what
 * clients had before `/sync`, and guests have to follow a room. Errors: M_FORBIDDEN, M_INVALID_PARAM, and
 * those of `checkStillIn`.
 */
export async function eventStream(app: App, request: EventStreamRequest): Promise<string> {
  const start = app.db.safePosition()
  const since = request.from === undefined ? start : Math.min(positionOf(request.from), start)
  return longPoll(app, { ...request, typing: Number.MAX_SAFE_INTEGER }, async ({ to }) => {
    const rooms = await roomsToFollow(app, request)
    const places = await eventRowsAfter(app.db, [...rooms.keys()], since, to, MAX_EVENTS)
    const end = places.length < MAX_EVENTS ? to : (places.at(-1)?.position ?? to)
    const shown = places.map((place) => place.subject)
    const texts = await eventTexts(app, request.viewer, rooms, shown)
    const tokens = `"start":${JSON.stringify(syncToken(app, since))},"end":${JSON.stringify(syncToken(app, end))}`
    const answer = `{${tokens},"chunk":[${texts.join(',')}]}`
    return { answer, news: texts.length > 0 || end < to, heard: () => new Set(rooms.keys()) }
  })
}

/** One event that the user may see, in whatever room. Errors: M_NOT_FOUND. */
export async function oneEvent(app: App, viewer: Viewer, eventId: string): Promise<string> {
  const [row] = await eventsById(app.db, [eventId], app.db.safePosition())
  const named = row && (await roomByNumber(app.db, row.room))
  const { room, event } = await visibleEvent(app, viewer.userId, named?.room_id ?? '', eventId)
  const [text] = await clientEvents(app, viewer, [event], () => ({ roomId: room.room_id, version: room.version }))
  return text!
}

async function roomsToFollow(app: App, { viewer, roomId }: EventStreamRequest): Promise<Map<number, RoomShown>> {
  if (roomId !== undefined) {
    const room = await readableRoom(app, viewer.userId, roomId)
    return new Map([[room.room, { roomId, version: room.version }]])
  }
  const rooms = await roomsOfUser(app.db, viewer.userId, Number.MAX_SAFE_INTEGER)
  const joined = rooms.filter((room) => room.membership === 'join')
  return new Map(joined.map((room) => [room.room, { roomId: room.room_id, version: room.version }]))
}

async function eventTexts(
  app: App,
  viewer: Viewer,
  rooms: ReadonlyMap<number, RoomShown>,
  eventIds: readonly string[],
): Promise<string[]> {
  if (eventIds.length === 0) return []
  const rows: EventRow[] = await visibleEvents(
    app,
    viewer.userId,
    await eventsById(app.db, eventIds, app.db.safePosition()),
  )
  rows.sort((a, b) => (a.position ?? 0) - (b.position ?? 0))
  return clientEvents(app, viewer, rows, (row) => rooms.get(row.room) ?? { roomId: undefined, version: null })
}
