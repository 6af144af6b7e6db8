import { eventFilterMatches, filterExcludesAll } from '../../core/filter.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import { type EventRow, eventsByPosition, newestEvents } from '../../store/events.ts'
import { visibleEvents } from '../visible-events.ts'
import { hasNews, type Scope, type SyncRoom } from './scope.ts'

/** Events of a timeline when the filter names no limit. */
const DEFAULT_LIMIT = 10
/** Events looked at for one timeline, however few of them are shown. */
const MAX_SCANNED = 500
/** Events read at once when the first ones did not fill the timeline. */
const PAGE = 100

/** The newest events of a room that the client lacks. */
export interface Timeline {
  readonly room: SyncRoom
  /** Oldest first. */
  readonly shown: readonly EventRow[]
  /** What was looked at, shown or not, oldest first. */
  readonly scanned: readonly EventRow[]
  /** Events that the filter or the history visibility hides lie between those shown, or after them. */
  readonly hides: boolean
  /** State events among them that the history visibility hides. */
  readonly hiddenState: readonly EventRow[]
  /** There are older events that the client lacks. */
  readonly limited: boolean
  /** Whether a member event happened, shown or not. */
  readonly membersChanged: boolean
}

export async function readTimelines(scope: Scope, rooms: readonly SyncRoom[]): Promise<Timeline[]> {
  const filter = scope.request.filter.room.timeline
  if (filterExcludesAll(filter)) return rooms.map((room) => nothingShown(scope, room))
  const limit = filter.limit ?? DEFAULT_LIMIT
  const active = rooms.filter((room) => room.wholeState || room.outside || hasNews(scope, room.room, 'event'))
  const fresh = active.filter((room) => room.from === 0)
  const known = active.filter((room) => room.from > 0)
  const rows = [...(await newest(scope, fresh, 0, limit)), ...(await newest(scope, known, scope.since, limit))]
  const byRoom = new Map<number, EventRow[]>(rooms.map((room) => [room.room, []]))
  for (const row of rows) byRoom.get(row.room)?.push(row)
  const visible = await visibleAmong(scope, rows)
  const timelines: Timeline[] = []
  for (const room of rooms) {
    const newestFirst = (byRoom.get(room.room) ?? []).reverse()
    timelines.push(await readOn(scope, room, limit, newestFirst, visible))
  }
  return timelines
}

function nothingShown(scope: Scope, room: SyncRoom): Timeline {
  const happened = hasNews(scope, room.room, 'event')
  return { room, shown: [], scanned: [], hiddenState: [], hides: happened, limited: false, membersChanged: happened }
}

/** One more than the limit, so that it is known whether there are more. */
async function newest(scope: Scope, rooms: readonly SyncRoom[], from: number, limit: number): Promise<EventRow[]> {
  if (rooms.length === 0) return []
  const numbers = rooms.map((room) => room.room)
  return newestEvents(scope.app.db, scope.request.viewer.userId, numbers, from, scope.to, limit + 1)
}

async function visibleAmong(scope: Scope, rows: readonly EventRow[]): Promise<Set<EventRow>> {
  return new Set(await visibleEvents(scope.app, scope.request.viewer.userId, rows))
}

/** Looks at older events until the timeline is full; nearly always the first page fills it. */
async function readOn(
  scope: Scope,
  room: SyncRoom,
  limit: number,
  firstPage: readonly EventRow[],
  firstVisible: ReadonlySet<EventRow>,
): Promise<Timeline> {
  const scanned: EventRow[] = []
  const shown: EventRow[] = []
  const hiddenState: EventRow[] = []
  const end = (more: boolean) => timeline(scope, room, { shown, scanned, hiddenState }, more)
  let [page, visible, pageSize] = [firstPage, firstVisible, limit + 1]
  for (;;) {
    for (const row of page) {
      const isShown = visible.has(row) && passes(scope, room, row)
      if (isShown && shown.length === limit) return end(true)
      scanned.push(row)
      if (row.state_key !== null && !visible.has(row)) hiddenState.push(row)
      if (isShown) shown.push(row)
    }
    if (page.length < pageSize) return end(false)
    if (scanned.length >= MAX_SCANNED) return end(true)
    page = await eventsByPosition(scope.app.db, room.room, room.from, positionOf(scanned), PAGE)
    visible = await visibleAmong(scope, page)
    pageSize = PAGE
  }
}

function positionOf(scanned: readonly EventRow[]): number {
  return scanned.at(-1)?.position ?? 0
}

/** Of users who are ignored only state counts (Client-Server API, "Ignoring users"). */
function passes(scope: Scope, room: SyncRoom, row: EventRow): boolean {
  if (row.state_key === null && scope.settings.ignored.has(row.sender)) return false
  const event = { type: row.type, sender: row.sender, roomId: room.room_id, content: row.content }
  return eventFilterMatches(scope.request.filter.room.timeline, event)
}

interface Read {
  /** Each newest first. */
  readonly shown: EventRow[]
  readonly scanned: EventRow[]
  readonly hiddenState: EventRow[]
}

function timeline(scope: Scope, room: SyncRoom, { shown, scanned, hiddenState }: Read, more: boolean): Timeline {
  // Who comes back to a room may hold a timeline of it that does not join up with this one.
  const limited = more || (room.from === 0 && !scope.initial)
  return {
    room,
    shown: shown.reverse(),
    scanned: scanned.reverse(),
    hiddenState: hiddenState.reverse(),
    hides: shown.length < scanned.length,
    limited,
    membersChanged:
      limited || hasNews(scope, room.room, MEMBERS_KNOWN) || scanned.some((row) => row.type === 'm.room.member'),
  }
}
