import type { App } from '../app.ts'
import type { EventFilter } from '../core/filter.ts'
import { eventFilterMatches } from '../core/filter.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type EventRow, eventsAfter, eventsBefore, type HistoryPlace } from '../store/events.ts'
import { membershipOf } from '../store/memberships.ts'
import { roomById } from '../store/rooms.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { placeOf, placeToken } from './tokens.ts'
import { visibleEvents } from './visible-events.ts'

export interface MessagesRequest {
  readonly viewer: Viewer
  readonly roomId: string
  readonly dir: 'b' | 'f'
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly limit: number
  readonly filter: EventFilter
}

/** Events read from the database at the most for one page, whatever of them the user may see. */
const MAX_SCANNED = 5_000
const LAST_PLACE: HistoryPlace = { topo: Number.MAX_SAFE_INTEGER, event: Number.MAX_SAFE_INTEGER }

/**
 * A page of a room's history, as JSON text (`GET /rooms/{roomId}/messages`). The tokens follow the scan, not what was
 * shown, so that a page full of hidden events never ends the history. Errors: M_FORBIDDEN, M_INVALID_PARAM.
 */
export async function messages(app: App, request: MessagesRequest): Promise<string> {
  const row = await roomById(app.db, request.roomId)
  const membership = row && (await membershipOf(app.db, row.room, request.viewer.userId))
  if (row === undefined || membership === undefined) throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  const start = request.from === undefined ? firstPlace(request.dir) : await placeOf(app, row.room, request.from)
  const stop = request.to === undefined ? undefined : await placeOf(app, row.room, request.to)
  const page = await scan(app, row.room, start, stop, request)
  const shown = await clientEvents(app, request.viewer, page.rows, () => ({
    roomId: row.room_id,
    version: row.version,
  }))
  const end = page.next === undefined ? '' : `,"end":${JSON.stringify(placeToken(page.next))}`
  return `{"start":${JSON.stringify(request.from ?? placeToken(start))}${end},"chunk":[${shown.join(',')}]}`
}

function firstPlace(dir: 'b' | 'f'): HistoryPlace {
  return dir === 'b' ? LAST_PLACE : { topo: 0, event: 0 }
}

interface Page {
  readonly rows: EventRow[]
  /** Where the next page begins; undefined at the end of history. */
  readonly next: HistoryPlace | undefined
}

async function scan(
  app: App,
  room: number,
  start: HistoryPlace,
  stop: HistoryPlace | undefined,
  request: MessagesRequest,
): Promise<Page> {
  const to = app.db.safePosition()
  const rows: EventRow[] = []
  let place = start
  for (let scanned = 0; scanned < MAX_SCANNED; ) {
    const read = request.dir === 'b' ? eventsBefore : eventsAfter
    const batch = await read(app.db, room, place, to, request.limit)
    const within = batch.filter((row) => stop === undefined || isBefore(request.dir, row, stop))
    const seen = new Set(await visibleEvents(app, request.viewer.userId, within))
    for (const row of within) {
      place = request.dir === 'b' ? { topo: row.topo, event: row.event } : { topo: row.topo, event: row.event + 1 }
      if (seen.has(row) && matches(request, row)) rows.push(row)
      if (rows.length === request.limit) return { rows, next: place }
    }
    if (batch.length < request.limit) return { rows, next: request.dir === 'f' ? place : undefined }
    if (within.length < batch.length) return { rows, next: place }
    scanned += batch.length
  }
  return { rows, next: place }
}

function isBefore(dir: 'b' | 'f', row: EventRow, stop: HistoryPlace): boolean {
  const order = row.topo - stop.topo || row.event - stop.event
  return dir === 'b' ? order >= 0 : order < 0
}

function matches(request: MessagesRequest, row: EventRow): boolean {
  return eventFilterMatches(request.filter, {
    type: row.type,
    sender: row.sender,
    roomId: request.roomId,
    content: row.content,
  })
}
