import type { App } from '../app.ts'
import { type EventFilter, eventFilterMatches } from '../core/filter.ts'
import { type EventRow, eventsAfter, eventsBefore, type HistoryPlace } from '../store/events.ts'
import { relationsTo } from '../store/relations.ts'
import { keptEvents } from './expired.ts'
import { ignoredBy } from './settings.ts'
import { visibleEvents } from './visible-events.ts'

/** Reads up to `limit` events on one side of the place, the nearest first. */
export type ReadPage = (place: HistoryPlace, to: number, limit: number) => Promise<EventRow[]>

export interface Scan {
  /** Undefined: whoever may see it, for administrators. */
  readonly userId: string | undefined
  readonly dir: 'b' | 'f'
  readonly start: HistoryPlace
  readonly stop?: HistoryPlace | undefined
  readonly limit: number
  readonly filter: EventFilter
  readonly roomId: string
  readonly read: ReadPage
}

export interface Page {
  readonly rows: readonly EventRow[]
  /** Where the next page begins; undefined when nothing was there to look at. */
  readonly next: HistoryPlace | undefined
  /** Nothing is beyond, as far as is known now. */
  readonly atEnd: boolean
}

/** Events looked at for one page at the most, whatever of them the user may see. */
const MAX_SCANNED = 5_000
/** Events read at once at the most. */
const MAX_BATCH = 1_000
/** Before the first event, and after the last one that there can be. */
export const FIRST_PLACE: HistoryPlace = { topo: 0, event: 0 }
export const LAST_PLACE: HistoryPlace = { topo: Number.MAX_SAFE_INTEGER, event: Number.MAX_SAFE_INTEGER }

/** How the history of a room is read. */
export function historyOf(app: App, room: number, dir: 'b' | 'f'): ReadPage {
  const read = dir === 'b' ? eventsBefore : eventsAfter
  return (place, to, limit) => read(app.db, room, place, to, limit)
}

/**
 * A page of what the user may see and the filter wants. The next page begins where the scan ended, shown or not, so
 * that a page full of hidden events ends nothing. That there is nothing beyond, the page says that looked and found
 * nothing: clients of old count on the tokens of a last page, and forwards the room goes on.
 */
export async function scan(app: App, wanted: Scan): Promise<Page> {
  const { dir, limit } = wanted
  const to = app.db.safePosition()
  const rows: EventRow[] = []
  let place = wanted.start
  let size = Math.min(limit + 1, MAX_BATCH)
  for (let scanned = 0; scanned < MAX_SCANNED; ) {
    const batch = await wanted.read(place, to, size)
    const within = batch.filter((row) => isWithin(wanted, row))
    const shown = new Set(await shownRows(app, wanted, within))
    for (const row of within) {
      if (shown.has(row) && rows.length === limit) return { rows, next: place, atEnd: false }
      if (shown.has(row)) rows.push(row)
      place = pastRow(dir, row)
    }
    scanned += within.length
    const atEnd = within.length < size
    if (atEnd) return { rows, next: scanned > 0 ? place : undefined, atEnd }
    if (rows.length === limit) break
    size = Math.min(size * 2, MAX_BATCH)
  }
  return { rows, next: place, atEnd: false }
}

/** The place that has the row behind it. */
export function pastRow(dir: 'b' | 'f', row: HistoryPlace): HistoryPlace {
  return dir === 'b' ? { topo: row.topo, event: row.event } : { topo: row.topo, event: row.event + 1 }
}

function isWithin({ stop, dir }: Scan, row: EventRow): boolean {
  if (stop === undefined) return true
  const order = row.topo - stop.topo || row.event - stop.event
  return dir === 'b' ? order >= 0 : order < 0
}

async function shownRows(
  app: App,
  { userId, filter, roomId }: Scan,
  rows: readonly EventRow[],
): Promise<readonly EventRow[]> {
  const visible = userId === undefined ? await keptEvents(app, rows) : await heardAndVisible(app, userId, rows)
  const byRelation = filter.relatedByRelTypes !== undefined || filter.relatedBySenders !== undefined
  const relations = byRelation && visible.length > 0 ? await relationsBy(app, visible) : undefined
  return visible.filter((row) =>
    eventFilterMatches(filter, {
      type: row.type,
      sender: row.sender,
      roomId,
      content: row.content,
      relatedBy: relations?.get(row.event_id),
    }),
  )
}

async function heardAndVisible(app: App, userId: string, rows: readonly EventRow[]): Promise<EventRow[]> {
  const ignored = rows.length === 0 ? undefined : await ignoredBy(app, userId)
  // Of users who are ignored only state counts (Client-Server API, "Ignoring users").
  const heard = rows.filter((row) => row.state_key !== null || ignored?.has(row.sender) !== true)
  return visibleEvents(app, userId, heard)
}

/** The children of each event, as filters ask for them. */
async function relationsBy(app: App, rows: readonly EventRow[]) {
  const ids = rows.map((row) => row.event_id)
  const byParent = new Map<string, { relType: string; sender: string }[]>(ids.map((id) => [id, []]))
  for (const { relates_to: parent, rel_type: relType, sender } of await relationsTo(app.db, ids))
    byParent.get(parent)?.push({ relType, sender })
  return byParent
}
