import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import type { RemoteSummary } from '../core/room-summary.ts'
import { childState, orderedChildren, type SpaceChild } from '../core/space.ts'
import { breathe } from '../live/time.ts'
import { roomsWeAreIn } from '../store/rooms.ts'
import { mayKnowOf, remoteSpace, viaOf } from './remote-spaces.ts'
import { recogniseAll, summaryOf } from './room-summary.ts'
import { childrenOf } from './space-children.ts'

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
/** Rooms walked through for one answer, those that the user may not know of included. */
const MAX_WALKED = 5_000
/** Spaces that other servers are asked about for one answer. */
const MAX_QUESTIONS = 30

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
interface Visit {
  readonly summary: Record<string, unknown>
  children(): Promise<readonly SpaceChild[]>
}

/** A room on the way, and the servers that are named with it. */
interface Step {
  readonly roomId: string
  readonly depth: number
  readonly via: readonly ServerName[]
}

async function* walk(app: App, request: HierarchyRequest, maxDepth: number): AsyncGenerator<unknown> {
  // Of rooms that this server is in; undefined: not for this user.
  const ours = await visitOurs(app, request, [request.roomId])
  const others: Elsewhere = { told: new Map(), questions: 0 }
  const seen = new Set<string>()
  const waiting: Step[] = [{ roomId: request.roomId, depth: 0, via: [] }]
  for (let walked = 0; walked < MAX_WALKED; walked++) {
    const next = waiting.pop()
    if (next === undefined) return
    if (seen.has(next.roomId)) continue
    seen.add(next.roomId)
    const { roomId, depth } = next
    const visit = ours.has(roomId) ? ours.get(roomId) : await visitElsewhere(app, request, next, others)
    if (visit === undefined) continue
    const children = await visit.children()
    yield { ...visit.summary, children_state: children.map(childState) }
    if (children.length === 0 || depth === maxDepth) continue
    await breathe()
    const unknown = children.map((child) => child.state_key).filter((id) => !ours.has(id))
    for (const [id, found] of await visitOurs(app, request, unknown)) ours.set(id, found)
    // The last one in is the next one out.
    for (const child of children.toReversed())
      waiting.push({ roomId: child.state_key, depth: depth + 1, via: viaOf(child.content) })
  }
}

async function visitOurs(
  app: App,
  { userId, suggestedOnly }: HierarchyRequest,
  roomIds: readonly string[],
): Promise<Map<string, Visit | undefined>> {
  const rooms = await roomsWeAreIn(app.db, app.serverName, roomIds)
  const recognised = await recogniseAll(app, userId, rooms)
  const visits = rooms.map((room): [string, Visit | undefined] => {
    const found = recognised.get(room.room)
    if (found === undefined) return [room.room_id, undefined]
    const summary = summaryOf(room, found.allowedRooms)
    return [room.room_id, { summary, children: () => childrenOf(app, room, suggestedOnly) }]
  })
  return new Map(visits)
}

/** What other servers told on this walk. */
interface Elsewhere {
  /** Rooms that were described with the spaces above them; undefined: nobody here gets in. */
  readonly told: Map<string, RemoteSummary | undefined>
  questions: number
}

/** A room that this server is not in. Only of a space more is asked than what was told with the space above it. */
async function visitElsewhere(
  app: App,
  { userId, suggestedOnly }: HierarchyRequest,
  { roomId, via }: Step,
  others: Elsewhere,
): Promise<Visit | undefined> {
  const told = others.told.get(roomId)
  if (told === undefined && others.told.has(roomId)) return undefined
  if (told !== undefined && told.room_type !== 'm.space') return visitOf(app, userId, told, [])
  if (others.questions++ >= MAX_QUESTIONS) return undefined
  const space = await remoteSpace(app, roomId, suggestedOnly, via)
  if (space === undefined) return told && visitOf(app, userId, told, [])
  for (const [id, summary] of space.summaries) others.told.set(id, summary)
  for (const id of space.inaccessible) others.told.set(id, undefined)
  return visitOf(app, userId, space.room, orderedChildren(space.children, suggestedOnly))
}

async function visitOf(
  app: App,
  userId: string,
  summary: RemoteSummary,
  children: readonly SpaceChild[],
): Promise<Visit | undefined> {
  return (await mayKnowOf(app, userId, summary)) ? { summary, children: async () => children } : undefined
}
