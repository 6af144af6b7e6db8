import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type EventRow, eventsById, eventsByNumber } from '../store/events.ts'
import { membershipOf, membersOf } from '../store/memberships.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'
import { currentState, stateAt } from '../store/state.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { visibleEvents } from './visible-events.ts'

/** Members listed at the most. */
const MAX_MEMBERS = 100_000

/**
 * The state of the room as the user may see it: the current one, or that at the user's leave. JSON text of an array.
 */
export async function roomState(app: App, viewer: Viewer, roomId: string): Promise<string> {
  const { row, events } = await stateFor(app, viewer, roomId)
  const shown = await clientEvents(app, viewer, events, () => ({ roomId: row.room_id, version: row.version }))
  return `[${shown.join(',')}]`
}

/** The content of one state event, or the whole event with `format=event`. Errors: M_NOT_FOUND, M_FORBIDDEN. */
export async function stateContent(
  app: App,
  viewer: Viewer,
  roomId: string,
  wanted: { readonly type: string; readonly stateKey: string; readonly format: string | undefined },
): Promise<string> {
  const { row, events } = await stateFor(app, viewer, roomId, wanted)
  const found = events[0]
  if (found === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such state.')
  if (wanted.format !== 'event') return found.content
  const [shown] = await clientEvents(app, viewer, [found], () => ({ roomId: row.room_id, version: row.version }))
  return shown!
}

/** Member events of the room: `{"chunk": […]}` as JSON text. */
export async function memberEvents(
  app: App,
  viewer: Viewer,
  roomId: string,
  wanted: { readonly membership?: string | undefined; readonly not_membership?: string | undefined },
): Promise<string> {
  const { row, events } = await stateFor(app, viewer, roomId, { type: 'm.room.member' })
  const fits = (event: EventRow) => {
    const { membership } = JSON.parse(event.content) as { membership?: string }
    return (
      (wanted.membership === undefined || membership === wanted.membership) &&
      (wanted.not_membership === undefined || membership !== wanted.not_membership)
    )
  }
  const shown = await clientEvents(app, viewer, events.filter(fits), () => ({
    roomId: row.room_id,
    version: row.version,
  }))
  return `{"chunk":[${shown.join(',')}]}`
}

/** Who is joined, with profiles. Errors: M_FORBIDDEN unless the user is joined. */
export async function joinedMembers(app: App, viewer: Viewer, roomId: string): Promise<unknown> {
  const row = await roomById(app.db, roomId)
  const membership = row && (await membershipOf(app.db, row.room, viewer.userId))
  if (row === undefined || membership?.membership !== 'join')
    throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  const members = await membersOf(app.db, row.room, 'join', MAX_MEMBERS)
  const profiles = members.map((member) => [member.user_id, profileOf(member.displayname, member.avatar_url)] as const)
  return { joined: Object.fromEntries(profiles) }
}

function profileOf(displayname: string | null, avatarUrl: string | null): Record<string, string> {
  return {
    ...(displayname === null ? {} : { display_name: displayname }),
    ...(avatarUrl === null ? {} : { avatar_url: avatarUrl }),
  }
}

/** One event that the user may see. Errors: M_NOT_FOUND, also for an event of another room. */
export async function roomEvent(app: App, viewer: Viewer, roomId: string, eventId: string): Promise<string> {
  const row = await roomById(app.db, roomId)
  const found = row === undefined ? [] : await eventsById(app.db, [eventId])
  const ofRoom = found.filter((event) => event.room === row?.room)
  const visible = await visibleEvents(app, viewer.userId, ofRoom)
  if (row === undefined || visible.length === 0)
    throw new MatrixError('M_NOT_FOUND', 'The event is not known, or not yours to see.')
  const [shown] = await clientEvents(app, viewer, visible, () => ({ roomId: row.room_id, version: row.version }))
  return shown!
}

interface StateWanted {
  readonly type: string
  readonly stateKey?: string
}

async function stateFor(
  app: App,
  viewer: Viewer,
  roomId: string,
  wanted?: StateWanted,
): Promise<{ row: RoomRow; events: EventRow[] }> {
  const row = await roomById(app.db, roomId)
  const membership = row && (await membershipOf(app.db, row.room, viewer.userId))
  if (row === undefined || membership === undefined) throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  const left = membership.membership === 'leave' || membership.membership === 'ban'
  if (membership.membership !== 'join' && !left) throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  const entries = left ? await stateAtLeave(app, membership.event) : await currentState(app.db, row.room, wanted?.type)
  const fits = entries.filter(
    (entry) =>
      wanted === undefined ||
      (entry.type === wanted.type && (wanted.stateKey === undefined || entry.state_key === wanted.stateKey)),
  )
  return {
    row,
    events: await eventsByNumber(
      app.db,
      fits.map((entry) => entry.event),
    ),
  }
}

async function stateAtLeave(app: App, leave: number | null) {
  const [event] = leave === null ? [] : await eventsByNumber(app.db, [leave])
  if (event === undefined || event.snapshot === null)
    throw new MatrixError('M_FORBIDDEN', 'You were never in this room.')
  const before = await stateAt(app.db, event.snapshot)
  const own = { type: event.type, state_key: event.state_key ?? '', event: event.event }
  return [...before.filter((entry) => entry.type !== own.type || entry.state_key !== own.state_key), own]
}
