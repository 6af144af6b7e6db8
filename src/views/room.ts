import type { App } from '../app.ts'
import { isObject, own, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { membersOfRoom } from '../live/room-members.ts'
import { type EventRow, eventsNearTime } from '../store/events.ts'
import { membersOf } from '../store/memberships.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { joinedRoom, visibleEvent } from './readable-event.ts'
import { type ReadableRoom, readableRoom } from './readable-room.ts'
import { membersAt, stateFor } from './room-state.ts'
import { visibleEvents } from './visible-events.ts'

/** Members listed at the most. */
const MAX_MEMBERS = 100_000

/**
 * The state of the room as the user may see it: the current one, or that at the user's leave. JSON text of an array.
 */
export async function roomState(app: App, viewer: Viewer, roomId: string): Promise<string> {
  const { room, events } = await stateFor(app, viewer.userId, roomId)
  return `[${(await shown(app, viewer, room, events)).join(',')}]`
}

/** The content of one state event, or the whole event with `format=event`. Errors: M_NOT_FOUND, M_FORBIDDEN. */
export async function stateContent(
  app: App,
  viewer: Viewer,
  roomId: string,
  wanted: { readonly type: string; readonly stateKey: string; readonly format: string | undefined },
): Promise<string> {
  const { room, events } = await stateFor(app, viewer.userId, roomId, wanted)
  const found = events.find((event) => event.state_key === wanted.stateKey)
  if (found === undefined) throw new MatrixError('M_NOT_FOUND', 'The room has no such state.')
  return wanted.format === 'event' ? (await shown(app, viewer, room, [found]))[0]! : found.content
}

export interface MembersWanted {
  /** A place in history. */
  readonly at?: string | undefined
  readonly membership?: string | undefined
  readonly not_membership?: string | undefined
}

/** Member events of the room: `{"chunk": […]}` as JSON text. Errors: M_FORBIDDEN, M_INVALID_PARAM. */
export async function memberEvents(app: App, viewer: Viewer, roomId: string, wanted: MembersWanted): Promise<string> {
  const { room, events } =
    wanted.at === undefined
      ? await stateFor(app, viewer.userId, roomId, { type: 'm.room.member' })
      : await membersAt(app, viewer.userId, roomId, wanted.at)
  const members = events.filter((event) => fitsMembership(event, wanted))
  return `{"chunk":[${(await shown(app, viewer, room, members)).join(',')}]}`
}

/** Both parameters together are an "or". */
function fitsMembership(event: EventRow, { membership, not_membership: not }: MembersWanted): boolean {
  if (membership === undefined && not === undefined) return true
  const content = parseJson(event.content)
  const is = isObject(content) ? own(content, 'membership') : undefined
  return (membership !== undefined && is === membership) || (not !== undefined && is !== not)
}

/** Who is joined, with profiles. Errors: M_FORBIDDEN unless the user is joined. */
export async function joinedMembers(app: App, viewer: Viewer, roomId: string): Promise<unknown> {
  const room = await joinedRoom(app, viewer.userId, roomId)
  await membersOfRoom(app, room.room)
  const members = await membersOf(app.db, room.room, 'join', MAX_MEMBERS)
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
  const { room, event } = await visibleEvent(app, viewer.userId, roomId, eventId)
  return (await shown(app, viewer, room, [event]))[0]!
}

/** Events looked at for one that the user may see. */
const MAX_NEAR = 1_000
const NEAR_AT_ONCE = 50

/** The event nearest to a time that the user may see. Errors: M_FORBIDDEN; M_NOT_FOUND when there is none. */
export async function eventNearTime(app: App, viewer: Viewer, roomId: string, ts: number, dir: 'b' | 'f') {
  const room = await readableRoom(app, viewer.userId, roomId)
  const to = app.db.safePosition()
  for (let skip = 0; skip < MAX_NEAR; skip += NEAR_AT_ONCE) {
    const rows = await eventsNearTime(app.db, room.room, ts, dir, to, NEAR_AT_ONCE, skip)
    const [nearest] = await visibleEvents(app, viewer.userId, rows)
    if (nearest !== undefined) return { event_id: nearest.event_id, origin_server_ts: nearest.origin_server_ts }
    if (rows.length < NEAR_AT_ONCE) break
  }
  throw new MatrixError('M_NOT_FOUND', `There is no event ${dir === 'f' ? 'after' : 'before'} ${ts}.`)
}

function shown(app: App, viewer: Viewer, room: Pick<ReadableRoom, 'room_id' | 'version'>, events: readonly EventRow[]) {
  return clientEvents(app, viewer, events, () => ({ roomId: room.room_id, version: room.version }))
}
