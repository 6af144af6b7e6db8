import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import {
  countPublished,
  type DirectoryName,
  type DirectoryPlace,
  publishedAfter,
  publishedBefore,
  type RoomSummary,
} from '../store/rooms.ts'
import { publishedRoom } from './room-summary.ts'

export interface PublicRoomsRequest {
  readonly limit?: number | undefined
  readonly since?: string | undefined
  readonly searchTerm?: string | undefined
  /** Types of rooms; null stands for rooms without one. undefined: all. */
  readonly roomTypes?: readonly (string | null)[] | undefined
  /** An instance of a bridged network whose rooms alone are wanted. */
  readonly network?: string | undefined
  /** Rooms of all networks are wanted too. */
  readonly allNetworks?: boolean | undefined
}

const MAX_LIMIT = 100
/** Rooms read at once. */
const PAGE = 200
/** Rooms looked at for one answer at the most. */
const MAX_SCANNED = 10_000

const FIRST: DirectoryPlace = { members: Number.MAX_SAFE_INTEGER, room: Number.MAX_SAFE_INTEGER }

/** A page of the published rooms, the largest first, and the tokens of the pages around it. Errors: M_INVALID_PARAM. */
export async function publicRooms(app: App, request: PublicRoomsRequest): Promise<Record<string, unknown>> {
  const limit = Math.min(Math.max(request.limit ?? MAX_LIMIT, 1), MAX_LIMIT)
  const { forwards, place } = startOf(request.since)
  const { rooms, more } = await scan(app, request, { forwards, place, limit })
  if (!forwards) rooms.reverse()
  const [first, last] = [rooms[0], rooms.at(-1)]
  // There are rooms on the side that the token came from.
  const hasNext = forwards ? more : true
  const hasPrevious = forwards ? request.since !== undefined : more
  const unfiltered = request.searchTerm === undefined && request.roomTypes === undefined
  return {
    chunk: rooms.map(publishedRoom),
    ...(hasNext && last !== undefined ? { next_batch: token('n', last) } : {}),
    ...(hasPrevious && first !== undefined ? { prev_batch: token('p', first) } : {}),
    ...(unfiltered ? { total_room_count_estimate: await countPublished(app.db, directoryOf(request)) } : {}),
  }
}

function directoryOf({ network, allNetworks }: PublicRoomsRequest): DirectoryName {
  if (allNetworks === true) return 'all'
  return network === undefined ? 'server' : { network }
}

const TOKEN = /^([np])(\d{1,16})_(\d{1,16})$/

function token(direction: 'n' | 'p', room: RoomSummary): string {
  return `${direction}${room.joined_members}_${room.room}`
}

function startOf(since: string | undefined): { forwards: boolean; place: DirectoryPlace } {
  if (since === undefined || since === '') return { forwards: true, place: FIRST }
  const match = TOKEN.exec(since)
  if (match === null) throw new MatrixError('M_INVALID_PARAM', 'The token is not one of this directory.')
  return { forwards: match[1] === 'n', place: { members: Number(match[2]), room: Number(match[3]) } }
}

/** Up to `limit` fitting rooms from the place on, and whether another one follows. */
async function scan(
  app: App,
  request: PublicRoomsRequest,
  { forwards, place, limit }: { forwards: boolean; place: DirectoryPlace; limit: number },
): Promise<{ rooms: RoomSummary[]; more: boolean }> {
  const fits = filterOf(request)
  const rooms: RoomSummary[] = []
  let from = place
  for (let scanned = 0; scanned < MAX_SCANNED; scanned += PAGE) {
    const read = forwards ? publishedAfter : publishedBefore
    const page = await read(app.db, directoryOf(request), from, PAGE)
    for (const room of page.filter(fits)) {
      if (rooms.length === limit) return { rooms, more: true }
      rooms.push(room)
    }
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    from = { members: last.joined_members, room: last.room }
  }
  return { rooms, more: false }
}

function filterOf({ searchTerm, roomTypes }: PublicRoomsRequest): (room: RoomSummary) => boolean {
  const wanted = searchTerm?.toLowerCase() ?? ''
  const types = roomTypes === undefined ? undefined : new Set(roomTypes)
  return (room) =>
    (types === undefined || types.has(room.room_type)) &&
    (wanted === '' ||
      [room.name, room.topic, room.canonical_alias, room.room_id].some((text) => text?.toLowerCase().includes(wanted)))
}
