import type { App } from '../app.ts'
import { isRoomId } from '../core/ids.ts'
import { type JsonObject, own, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type RoomSummary, roomSummaries } from '../store/rooms.ts'
import { type SpaceChildRow, spaceChildren } from '../store/state.ts'
import { type Recognised, recogniseAll, summaryOf } from './room-summary.ts'
import { breathe } from './sync/scope.ts'

export interface HierarchyRequest {
  readonly userId: string
  readonly roomId: string
  readonly suggestedOnly: boolean
  readonly maxDepth: number | undefined
  readonly limit: number | undefined
  readonly from: string | undefined
}

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 50
const DEFAULT_DEPTH = 50
/** Children read of one space. */
const MAX_CHILDREN = 1_000
/** Rooms walked through for one answer, those that the user may not know of included. */
const MAX_WALKED = 5_000
const MAX_ORDER_LENGTH = 50

/**
 * A page of the rooms below a space, depth first (Client-Server API, "Discovering rooms within spaces"). The walk
 * begins anew for each page and leaves out as many rooms as were shown before. Errors: M_FORBIDDEN, M_INVALID_PARAM.
 */
export async function hierarchy(
  app: App,
  request: HierarchyRequest,
): Promise<{ rooms: unknown[]; next_batch?: string }> {
  const limit = Math.min(Math.max(request.limit ?? DEFAULT_LIMIT, 1), MAX_LIMIT)
  const maxDepth = Math.min(Math.max(request.maxDepth ?? DEFAULT_DEPTH, 0), DEFAULT_DEPTH)
  const skipped = skippedBy(request)
  const rooms: unknown[] = []
  let shown = 0
  for await (const room of walk(app, request, maxDepth)) {
    if (shown++ < skipped) continue
    if (rooms.length === limit) return { rooms, next_batch: tokenOf(request, skipped + limit) }
    rooms.push(room)
  }
  // Not even the first one.
  if (shown === 0) throw new MatrixError('M_FORBIDDEN', 'You may not look into this room.')
  return { rooms }
}

/** The walk is told by what it may not change: the depth, whether suggested rooms alone count, and the place. */
function tokenOf(request: HierarchyRequest, skip: number): string {
  return `h${skip}_${request.maxDepth ?? ''}_${request.suggestedOnly ? 1 : 0}`
}

function skippedBy(request: HierarchyRequest): number {
  if (request.from === undefined) return 0
  const skip = Number(/^h(\d{1,6})_/.exec(request.from)?.[1] ?? Number.NaN)
  if (request.from !== tokenOf(request, skip))
    throw new MatrixError('M_INVALID_PARAM', 'The token is not one of this walk; max_depth and suggested_only stay.')
  return skip
}

/** A room that the user may know of. */
interface Visit extends Recognised {
  readonly room: RoomSummary
}

async function* walk(app: App, request: HierarchyRequest, maxDepth: number): AsyncGenerator<unknown> {
  const known = await visitAll(app, request.userId, [request.roomId])
  const seen = new Set<string>()
  const waiting = [{ roomId: request.roomId, depth: 0 }]
  for (let walked = 0; walked < MAX_WALKED; walked++) {
    const next = waiting.pop()
    if (next === undefined) return
    const visit = known.get(next.roomId)
    if (visit === undefined || seen.has(next.roomId)) continue
    seen.add(next.roomId)
    const children = visit.room.room_type === 'm.space' ? await childrenOf(app, visit.room.room, request) : []
    yield { ...summaryOf(visit.room, visit.allowedRooms), children_state: children.map(childState) }
    if (children.length === 0 || next.depth === maxDepth) continue
    await breathe()
    const unknown = children.map((child) => child.state_key).filter((roomId) => !known.has(roomId))
    for (const [roomId, found] of await visitAll(app, request.userId, unknown)) known.set(roomId, found)
    // The last one in is the next one out.
    for (const child of children.toReversed()) waiting.push({ roomId: child.state_key, depth: next.depth + 1 })
  }
}

async function visitAll(app: App, userId: string, roomIds: readonly string[]): Promise<Map<string, Visit>> {
  const rooms = await roomSummaries(app.db, roomIds)
  const recognised = await recogniseAll(app, userId, rooms)
  const visits = rooms.flatMap((room): [string, Visit][] => {
    const found = recognised.get(room.room)
    return found === undefined ? [] : [[room.room_id, { room, ...found }]]
  })
  return new Map(visits)
}

interface Child extends SpaceChildRow {
  readonly parsed: JsonObject
}

async function childrenOf(app: App, room: number, request: HierarchyRequest): Promise<Child[]> {
  const rows = await spaceChildren(app.db, room, MAX_CHILDREN)
  const children = rows.map((row) => ({ ...row, parsed: parseJson(row.content) as JsonObject }))
  return children
    .filter(({ state_key: roomId, parsed }) => {
      const suggested = !request.suggestedOnly || own(parsed, 'suggested') === true
      return isRoomId(roomId) && Array.isArray(own(parsed, 'via')) && suggested
    })
    .sort(inOrder)
}

/** Client-Server API, "Ordering of children within a space". */
function inOrder(a: Child, b: Child): number {
  const [first, second] = [orderOf(a), orderOf(b)]
  if (first !== undefined && second !== undefined && first !== second) return first < second ? -1 : 1
  if ((first === undefined) !== (second === undefined)) return first === undefined ? 1 : -1
  return a.origin_server_ts - b.origin_server_ts || (a.state_key < b.state_key ? -1 : 1)
}

function orderOf({ parsed }: Child): string | undefined {
  const order = own(parsed, 'order')
  return typeof order === 'string' && order.length <= MAX_ORDER_LENGTH && /^[ -~]*$/.test(order) ? order : undefined
}

function childState({ state_key, sender, origin_server_ts, parsed }: Child): unknown {
  return { type: 'm.space.child', state_key, sender, origin_server_ts, content: parsed }
}
