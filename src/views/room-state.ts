import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { membersOfRoom } from '../live/room-members.ts'
import { type EventRow, eventsAfter, eventsBefore, eventsByNumber } from '../store/events.ts'
import { currentState, currentStateEvent, type StateWanted, stateAt } from '../store/state.ts'
import { pastRow } from './history.ts'
import { type ReadableRoom, readableRoom } from './readable-room.ts'
import { placeOf } from './tokens.ts'
import { visibleEvents } from './visible-events.ts'

/** The state of a room that the user may read: the current one, or that at the user's leave. */
export interface StateShown {
  readonly room: ReadableRoom
  readonly events: readonly EventRow[]
}

/** Of a type, or of one key of it; nothing given: all. */
export interface StateKeys {
  readonly type?: string
  readonly stateKey?: string
}

/** Errors: M_FORBIDDEN. */
export async function stateFor(app: App, userId: string, roomId: string, keys: StateKeys = {}): Promise<StateShown> {
  const room = await readableRoom(app, userId, roomId)
  if (!room.stateShown) throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  if (keys.type === undefined || keys.type === 'm.room.member') await membersOfRoom(app, room.room)
  const end = room.end?.event == null ? undefined : (await eventsByNumber(app.db, [room.end.event]))[0]
  if (end !== undefined) {
    const events = await stateAfter(app, end, partOf(keys))
    return { room, events: events.filter((row) => (keys.type ?? row.type) === row.type) }
  }
  const { type, stateKey } = keys
  if (type === undefined || stateKey === undefined) {
    const entries = await currentState(app.db, room.room, type)
    return { room, events: await eventsOf(app, entries) }
  }
  const event = await currentStateEvent(app.db, room.room, type, stateKey)
  return { room, events: event === undefined ? [] : await eventsByNumber(app.db, [event]) }
}

function partOf({ type, stateKey }: StateKeys): StateWanted {
  if (type === undefined) return { members: undefined, others: true }
  if (type !== 'm.room.member') return { members: [], others: true }
  return { members: stateKey === undefined ? undefined : [stateKey], others: false }
}

/**
 * The members at a place in history that a token names. Errors: M_FORBIDDEN also when the user may not see what
 * happened there.
 */
export async function membersAt(app: App, userId: string, roomId: string, token: string): Promise<StateShown> {
  const room = await readableRoom(app, userId, roomId)
  const place = await placeOf(app, room.room, token)
  const [last] = await eventsBefore(app.db, room.room, place, app.db.safePosition(), 1)
  if (last === undefined) return { room, events: [] }
  const ended = room.end !== undefined && last.position !== null && last.position > room.end.position
  if (ended || !room.stateShown) return stateFor(app, userId, roomId, { type: 'm.room.member' })
  if ((await visibleEvents(app, userId, [last])).length === 0)
    throw new MatrixError('M_FORBIDDEN', 'That part of the history is not yours to see.')
  return { room, events: await stateAfter(app, last, { members: undefined, others: false }) }
}

/** What is wanted of the state once the event has happened. */
export async function stateAfter(app: App, row: EventRow, wanted: StateWanted): Promise<EventRow[]> {
  const before = row.snapshot === null ? [] : await stateAt(app.db, row.snapshot, wanted)
  const others = before.filter((entry) => entry.type !== row.type || entry.state_key !== row.state_key)
  const events = await eventsOf(app, others)
  return row.state_key !== null && isWanted(row, wanted) ? [...events, row] : events
}

function eventsOf(app: App, entries: readonly { event: number }[]): Promise<EventRow[]> {
  return eventsByNumber(
    app.db,
    entries.map((entry) => entry.event),
  )
}

function isWanted({ type, state_key: stateKey }: EventRow, { members, others }: StateWanted): boolean {
  return type === 'm.room.member' ? members === undefined || members.includes(stateKey ?? '') : others
}

/** The member events of those who sent what a page shows, as of its newest event. */
export async function sendersState(
  app: App,
  newest: EventRow | undefined,
  senders: readonly string[],
): Promise<EventRow[]> {
  if (newest === undefined) return []
  if (newest.type !== 'm.room.create') return stateAfter(app, newest, { members: senders, others: false })
  // Whoever creates a room is no member yet, and joins it next.
  const next = await eventsAfter(app.db, newest.room, pastRow('f', newest), app.db.safePosition(), 1)
  return next.filter((row) => row.type === 'm.room.member' && row.state_key === newest.sender)
}
