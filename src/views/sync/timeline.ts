import type { App } from '../../app.ts'
import { eventFilterMatches, filterExcludesAll } from '../../core/filter.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import { type EventRow, eventsByPosition, newestEvents } from '../../store/events.ts'
import { currentAmong } from '../../store/state.ts'
import { pastRow } from '../history.ts'
import { placeToken, syncToken } from '../tokens.ts'
import { visibleEvents } from '../visible-events.ts'
import { hasNews, PEEK, type Scope, type SyncRoom } from './scope.ts'

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
  const own = active.filter((room) => room.membership !== PEEK)
  const fresh = own.filter((room) => room.from === 0)
  const known = own.filter((room) => room.from > 0)
  const rows = [...(await newest(scope, fresh, 0, limit)), ...(await newest(scope, known, scope.since, limit))]
  for (const { room, from, until } of active.filter((room) => room.membership === PEEK))
    rows.push(...(await eventsByPosition(scope.app.db, room, from, until + 1, limit + 1)).reverse())
  const byRoom = new Map<number, EventRow[]>(rooms.map((room) => [room.room, []]))
  for (const row of rows) byRoom.get(row.room)?.push(row)
  const sight = await sightOf(scope, rows)
  const timelines: Timeline[] = []
  for (const room of rooms) {
    const newestFirst = (byRoom.get(room.room) ?? []).reverse()
    timelines.push(await readOn(scope, room, limit, newestFirst, sight))
  }
  return timelines
}

function nothingShown(scope: Scope, room: SyncRoom): Timeline {
  const happened = hasNews(scope, room.room, 'event')
  return { room, shown: [], scanned: [], hides: happened, limited: false, membersChanged: happened }
}

/** One more than the limit, so that it is known whether there are more. */
async function newest(scope: Scope, rooms: readonly SyncRoom[], from: number, limit: number): Promise<EventRow[]> {
  if (rooms.length === 0) return []
  const numbers = rooms.map((room) => room.room)
  return newestEvents(scope.app.db, scope.request.viewer.userId, numbers, from, scope.to, limit + 1)
}

interface Sight {
  readonly visible: ReadonlySet<EventRow>
  /**
   * State that the history visibility hides, and that is the room's state now: no secret to a member, and after an
   * event that it replaces the client would have a wrong room without it.
   */
  readonly current: ReadonlySet<EventRow>
}

async function sightOf(scope: Scope, rows: readonly EventRow[]): Promise<Sight> {
  const { userId } = scope.request.viewer
  const visible = new Set(await visibleEvents(scope.app, userId, rows))
  const hidden = rows.filter((row) => row.state_key !== null && !visible.has(row))
  if (hidden.length === 0) return { visible, current: new Set() }
  const numbers = hidden.map((row) => row.event)
  const current = new Set(await currentAmong(scope.app.db, userId, numbers))
  return { visible, current: new Set(hidden.filter((row) => current.has(row.event))) }
}

/** Looks at older events until the timeline is full; nearly always the first page fills it. */
async function readOn(
  scope: Scope,
  room: SyncRoom,
  limit: number,
  firstPage: readonly EventRow[],
  firstSight: Sight,
): Promise<Timeline> {
  const scanned: EventRow[] = []
  const shown: EventRow[] = []
  /** Hidden state of today, shown when something older is: before the timeline it is part of the state anyway. */
  let between: EventRow[] = []
  const end = (more: boolean) => timeline(scope, room, { shown, scanned }, more)
  let [page, sight, pageSize] = [firstPage, firstSight, limit + 1]
  for (;;) {
    for (const row of page) {
      const isWanted = passes(scope, room, row)
      // Who looks in from outside knows the state of today anyway, and nothing older that it could contradict.
      const isShown = isWanted && (sight.visible.has(row) || (room.membership === PEEK && sight.current.has(row)))
      if (isShown && shown.length + between.length >= limit) return end(true)
      scanned.push(row)
      if (isWanted && sight.current.has(row)) between.push(row)
      if (!isShown) continue
      shown.push(...between, row)
      between = []
    }
    if (page.length < pageSize) return end(false)
    if (scanned.length >= MAX_SCANNED) return end(true)
    page = await eventsByPosition(scope.app.db, room.room, room.from, positionOf(scanned), PAGE)
    sight = await sightOf(scope, page)
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

/** The token from which a client pages back to what came before the timeline. */
export function prevBatch(app: App, { scanned, room }: Timeline): string {
  const [oldest] = scanned
  if (oldest === undefined) return syncToken(app, room.until)
  // Nothing comes before the creation. The token stands behind it: who pages back finds the beginning, not nothing.
  return placeToken(oldest.type === 'm.room.create' ? pastRow('f', oldest) : oldest)
}

interface Read {
  /** Each newest first. */
  readonly shown: EventRow[]
  readonly scanned: EventRow[]
}

function timeline(scope: Scope, room: SyncRoom, { shown, scanned }: Read, more: boolean): Timeline {
  // Who comes back to a room may hold a timeline of it that does not join up with this one.
  const limited = more || (room.from === 0 && !scope.initial)
  return {
    room,
    shown: shown.reverse(),
    scanned: scanned.reverse(),
    hides: shown.length < scanned.length,
    limited,
    membersChanged:
      limited || hasNews(scope, room.room, MEMBERS_KNOWN) || scanned.some((row) => row.type === 'm.room.member'),
  }
}
