import type { App } from '../app.ts'
import { parseEventFilter } from '../core/filter.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type EventRow, eventsById, type HistoryPlace } from '../store/events.ts'
import { childrenAt, lastReplies } from '../store/relations.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { FIRST_PLACE, LAST_PLACE, scan } from './history.ts'
import { visibleEvent } from './readable-event.ts'
import { readableRoom } from './readable-room.ts'
import { placeOf, placeToken } from './tokens.ts'
import { visibleEvents } from './visible-events.ts'

export interface RelationsRequest {
  readonly viewer: Viewer
  readonly roomId: string
  readonly eventId: string
  readonly relType?: string | undefined
  readonly eventType?: string | undefined
  readonly dir: 'b' | 'f'
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly limit: number
  /** Children of children too; undefined: the client did not say. */
  readonly recurse: boolean | undefined
}

/** Relations followed from an event with `recurse`. */
const MAX_DEPTH = 3
const EVERYTHING = parseEventFilter(undefined)

/**
 * What relates to an event, as JSON text (`GET /rooms/{roomId}/relations/{eventId}`). Errors: M_NOT_FOUND unless the
 * user may see the event, M_INVALID_PARAM.
 */
export async function relations(app: App, request: RelationsRequest): Promise<string> {
  const { viewer, roomId, dir, relType, eventType, from } = request
  const { room } = await visibleEvent(app, viewer.userId, roomId, request.eventId)
  const first = dir === 'b' ? LAST_PLACE : FIRST_PLACE
  const depth = request.recurse === true ? MAX_DEPTH : 1
  const wanted = { room: room.room, parent: request.eventId, relType, eventType, depth }
  const { rows, next, atEnd } = await scan(app, {
    userId: viewer.userId,
    roomId,
    dir,
    start: from === undefined ? first : await placeOf(app, room.room, from),
    stop: request.to === undefined ? undefined : await placeOf(app, room.room, request.to),
    limit: request.limit,
    filter: EVERYTHING,
    read: (place, to, limit) => childrenAt(app.db, wanted, dir, place, to, limit),
  })
  const texts = await clientEvents(app, viewer, rows, () => ({ roomId, version: room.version }))
  const parts = [`"chunk":[${texts.join(',')}]`]
  if (next !== undefined && !atEnd) parts.push(`"next_batch":${JSON.stringify(placeToken(next))}`)
  if (from !== undefined) parts.push(`"prev_batch":${JSON.stringify(from)}`)
  if (request.recurse !== undefined) parts.push(`"recursion_depth":${depth}`)
  return `{${parts.join(',')}}`
}

export interface ThreadsRequest {
  readonly viewer: Viewer
  readonly roomId: string
  readonly include: 'all' | 'participated'
  readonly from?: string | undefined
  readonly limit: number
}

/** Threads looked at for one page, whatever of them the user may see. */
const MAX_THREADS_SCANNED = 1_000

/**
 * The roots of the room's threads, those with the latest replies first, as JSON text (`GET /rooms/{roomId}/threads`).
 * Errors: M_FORBIDDEN, M_INVALID_PARAM.
 */
export async function threads(app: App, request: ThreadsRequest): Promise<string> {
  const { viewer, roomId, limit } = request
  const room = await readableRoom(app, viewer.userId, roomId)
  const participant = request.include === 'participated' ? viewer.userId : undefined
  const to = app.db.safePosition()
  const until = room.end === undefined ? to : Math.min(to, room.end.position)
  const roots: EventRow[] = []
  let place: HistoryPlace | undefined =
    request.from === undefined ? LAST_PLACE : await placeOf(app, room.room, request.from)
  for (let scanned = 0; place !== undefined && roots.length < limit && scanned < MAX_THREADS_SCANNED; ) {
    const wanted = limit - roots.length
    const replies = await lastReplies(app.db, room.room, participant, place, until, wanted)
    const found =
      replies.length === 0 ? [] : await eventsById(app.db, [...new Set(replies.map((row) => row.thread_root))], to)
    const visible = await visibleEvents(
      app,
      viewer.userId,
      found.filter((row) => row.room === room.room),
    )
    const byId = new Map(visible.map((row) => [row.event_id as string, row]))
    roots.push(...replies.flatMap((reply) => byId.get(reply.thread_root) ?? []))
    scanned += replies.length
    place = replies.length < wanted ? undefined : replies.at(-1)
  }
  const texts = await clientEvents(app, viewer, roots, () => ({ roomId, version: room.version }))
  const next = place === undefined ? '' : `,"next_batch":${JSON.stringify(placeToken(place))}`
  return `{"chunk":[${texts.join(',')}]${next}}`
}

/** Errors: M_INVALID_PARAM for a limit below 1. */
export function limitOf(limit: number | undefined, usual: number, max: number): number {
  if (limit !== undefined && limit < 1) throw new MatrixError('M_INVALID_PARAM', 'limit has to be at least 1.')
  return Math.min(limit ?? usual, max)
}
