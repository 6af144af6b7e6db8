import type { App } from '../../app.ts'
import { eventFilterMatches } from '../../core/filter.ts'
import { roomAccountDataSince } from '../../store/account-data.ts'
import { type EventRow, eventsBefore, eventsByNumber, newestEvents, placeAfterPosition } from '../../store/events.ts'
import { heroesOf, memberCounts, type RoomOfUser } from '../../store/memberships.ts'
import { stateAt, stateChangesBetween } from '../../store/state.ts'
import { clientEvents } from '../client-events.ts'
import { placeToken } from '../tokens.ts'
import { visibleEvents } from '../visible-events.ts'
import type { SyncRequest } from './sync.ts'

/** Events of a timeline when the filter names no limit. */
const DEFAULT_TIMELINE = 10

interface Timeline {
  readonly room: RoomOfUser
  readonly rows: EventRow[]
  readonly limited: boolean
  /** The client knows nothing of the room: it gets the whole state. */
  readonly fresh: boolean
}

/** The `join` and `leave` parts of a sync, by room id. */
export async function joinedAndLeftRooms(
  app: App,
  request: SyncRequest,
  rooms: readonly RoomOfUser[],
  since: number,
  to: number,
): Promise<{ joined: Map<string, string>; left: Map<string, string> }> {
  const joined = new Map<string, string>()
  const left = new Map<string, string>()
  const timelines = await timelinesOf(app, request, rooms, since, to)
  const accountData = timelines.length === 0 ? new Map<string, string[]>() : await accountDataOf(app, request, since)
  for (const timeline of timelines) {
    const json = await roomJson(app, request, timeline, accountData.get(timeline.room.room_id) ?? [], since)
    if (json !== undefined) (timeline.room.membership === 'join' ? joined : left).set(timeline.room.room_id, json)
  }
  return { joined, left }
}

async function timelinesOf(
  app: App,
  request: SyncRequest,
  rooms: readonly RoomOfUser[],
  since: number,
  to: number,
): Promise<Timeline[]> {
  const initial = request.since === undefined
  const limit = request.filter.room.timeline.limit ?? DEFAULT_TIMELINE
  const present = rooms.filter(
    (room) =>
      room.membership === 'join' || ((room.membership === 'leave' || room.membership === 'ban') && room.position <= to),
  )
  const isFresh = (room: RoomOfUser) =>
    initial || request.fullState || (room.membership === 'join' && room.position > since)
  const known = present.filter((room) => !isFresh(room))
  const news =
    known.length === 0
      ? []
      : await newestEvents(
          app.db,
          known.map((room) => room.room),
          since,
          to,
          limit + 1,
        )
  const read: Timeline[] = known.map((room) =>
    timeline(
      room,
      news.filter((row) => row.room === room.room),
      limit,
      false,
    ),
  )
  for (const room of present.filter(isFresh)) {
    const end = await placeAfterPosition(app.db, room.room, room.membership === 'join' ? to : room.position)
    const rows = await eventsBefore(app.db, room.room, end, to, limit + 1)
    read.push(timeline(room, rows.reverse(), limit, true))
  }
  const visible = new Set(
    await visibleEvents(
      app,
      request.viewer.userId,
      read.flatMap((item) => item.rows),
    ),
  )
  return read.map((item) => ({
    ...item,
    rows: item.rows.filter((row) => visible.has(row) && isShown(request, item.room, row)),
  }))
}

/** `rows` are the newest, oldest first, one more than the limit if there are more. */
function timeline(room: RoomOfUser, rows: EventRow[], limit: number, fresh: boolean): Timeline {
  const limited = rows.length > limit
  const kept = limited ? rows.slice(rows.length - limit) : rows
  // Nothing of what happens after the user left.
  const own = room.membership === 'join' ? kept : kept.filter((row) => (row.position ?? 0) <= room.position)
  return { room, rows: own, limited, fresh }
}

function isShown(request: SyncRequest, room: RoomOfUser, row: EventRow): boolean {
  const event = { type: row.type, sender: row.sender, roomId: room.room_id, content: row.content }
  return eventFilterMatches(request.filter.room.timeline, event)
}

async function accountDataOf(app: App, request: SyncRequest, since: number): Promise<Map<string, string[]>> {
  const rows = await roomAccountDataSince(app.db, request.viewer.userId, request.fullState ? 0 : since)
  const byRoom = new Map<string, string[]>()
  for (const row of rows) {
    const texts = byRoom.get(row.room_id) ?? []
    texts.push(`{"type":${JSON.stringify(row.type)},"content":${row.content}}`)
    byRoom.set(row.room_id, texts)
  }
  return byRoom
}

async function roomJson(
  app: App,
  request: SyncRequest,
  item: Timeline,
  accountData: readonly string[],
  since: number,
): Promise<string | undefined> {
  const { room, rows } = item
  const first = rows[0]
  const state = await stateBefore(app, item, since)
  if (first === undefined && state.length === 0 && accountData.length === 0) return undefined
  const shown = await clientEvents(app, request.viewer, [...state, ...rows], () => ({
    roomId: undefined,
    version: room.version,
  }))
  const stateTexts = shown.slice(0, state.length)
  const prevBatch = first === undefined ? '' : `,"prev_batch":${JSON.stringify(placeToken(first))}`
  const parts = [
    `"timeline":{"events":[${shown.slice(state.length).join(',')}],"limited":${item.limited}${prevBatch}}`,
    `"state":{"events":[${stateTexts.join(',')}]}`,
    `"account_data":{"events":[${accountData.join(',')}]}`,
  ]
  if (room.membership === 'join') {
    parts.push('"ephemeral":{"events":[]}', '"unread_notifications":{"notification_count":0,"highlight_count":0}')
    const membersChanged = item.fresh || [...state, ...rows].some((row) => row.type === 'm.room.member')
    if (membersChanged) parts.push(`"summary":${await summary(app, room, request.viewer.userId)}`)
  }
  return `{${parts.join(',')}}`
}

/** The state that the client lacks before the first event of the timeline. */
async function stateBefore(app: App, item: Timeline, since: number): Promise<EventRow[]> {
  const first = item.rows[0]
  if (first === undefined) return []
  if (item.fresh) {
    if (first.snapshot === null) return []
    const entries = await stateAt(app.db, first.snapshot)
    return eventsByNumber(
      app.db,
      entries.map((entry) => entry.event),
    )
  }
  if (!item.limited || first.position === null) return []
  const changes = await stateChangesBetween(app.db, item.room.room, since, first.position)
  return eventsByNumber(
    app.db,
    changes.flatMap((change) => change.event ?? []),
  )
}

async function summary(app: App, room: RoomOfUser, userId: string): Promise<string> {
  const [heroes, counts] = [await heroesOf(app.db, room.room, userId), await memberCounts(app.db, room.room)]
  return JSON.stringify({
    'm.heroes': heroes.map((hero) => hero.user_id),
    'm.joined_member_count': counts.joined,
    'm.invited_member_count': counts.invited,
  })
}
