import { roomFilterMatches } from '../../core/filter.ts'
import { membershipHistory, type RoomOfUser } from '../../store/memberships.ts'
import { showsInvite } from '../settings.ts'
import { PEEK, type Scope, type SyncRoom } from './scope.ts'

export interface ChosenRooms {
  /** Joined, left, and looked into: those that get timelines. */
  readonly present: readonly SyncRoom[]
  readonly invited: readonly RoomOfUser[]
  readonly knocked: readonly RoomOfUser[]
}

/** Which rooms of the user an answer may speak of, and what of them the client has already. */
export async function chooseRooms(scope: Scope, rooms: readonly RoomOfUser[]): Promise<ChosenRooms> {
  const { since, to, initial, request } = scope
  const everything = initial || request.fullState
  const isWanted = (room: RoomOfUser) =>
    (everything || scope.news === undefined || scope.news.has(room.room) || scope.typing.lists.has(room.room)) &&
    roomFilterMatches(request.filter.room, room.room_id)
  const peeked = rooms.filter((room) => room.membership === PEEK && room.position <= to && isWanted(room))
  const besides = new Set(peeked.map((room) => room.room))
  // Who left a room and looks into it now is told what anybody may see.
  const wanted = rooms.filter(
    (room) => room.membership !== PEEK && isWanted(room) && !(hasLeft(room) && besides.has(room.room)),
  )
  const steps = await historyOf(scope, wanted)
  const asOfTo = wanted.flatMap((room) => membershipAt(room, steps.get(room.room) ?? [], to))
  const isNew = (room: RoomOfUser) => initial || room.position > since || request.fullState
  return {
    present: [
      ...asOfTo
        .filter((room) => room.membership === 'join' || hasLeft(room))
        .map((room) => syncRoom(scope, room, steps.get(room.room) ?? [])),
      ...peeked.map((room) => peekedRoom(scope, room)),
    ],
    invited: asOfTo.filter(
      (room) => room.membership === 'invite' && isNew(room) && showsInvite(scope.settings, room.sender),
    ),
    knocked: asOfTo.filter((room) => room.membership === 'knock' && isNew(room)),
  }
}

interface Step {
  readonly position: number
  readonly membership: string
  readonly event: number | null
}

/** Read only for rooms in which the user's membership changed; most syncs have none. */
async function historyOf(scope: Scope, rooms: readonly RoomOfUser[]): Promise<Map<number, Step[]>> {
  const changed = rooms.filter((room) => room.position > (scope.initial ? scope.to : scope.since) || hasLeft(room))
  const byRoom = new Map<number, Step[]>(changed.map((room) => [room.room, []]))
  if (changed.length === 0) return byRoom
  const rows = await membershipHistory(scope.app.db, scope.request.viewer.userId, [...byRoom.keys()])
  for (const row of rows) byRoom.get(row.room)?.push(row)
  return byRoom
}

/** The row may be newer than the answer: then the history says how things were. */
function membershipAt(room: RoomOfUser, steps: readonly Step[], to: number): RoomOfUser[] {
  if (room.position <= to) return [room]
  const last = steps.findLast((step) => step.position <= to)
  return last === undefined ? [] : [{ ...room, membership: last.membership, position: last.position }]
}

function hasLeft(room: RoomOfUser): boolean {
  return room.membership === 'leave' || room.membership === 'ban'
}

function syncRoom(scope: Scope, room: RoomOfUser, steps: readonly Step[]): SyncRoom {
  const { since, to, initial } = scope
  const left = hasLeft(room)
  const until = left ? Math.min(room.position, to) : to
  const upTo = steps.filter((step) => step.position <= until)
  const between = upTo.filter((step) => step.position > since)
  const wasIn = upTo.findLast((step) => step.position <= since)?.membership === 'join'
  const end = left ? endOfMembership(upTo) : undefined
  const outside = left && end === undefined
  // Who stays a member, or leaves last of all, has missed nothing in between.
  const seamless = wasIn && between.every((step) => step.membership === 'join' || step.position === end?.position)
  const fresh = initial || (!seamless && between.some((step) => step.membership === 'join'))
  // The row comes last: V8 takes forty times as long to add members to a copy.
  return { from: fresh ? 0 : since, until, wholeState: fresh || scope.request.fullState, end, outside, ...room }
}

function peekedRoom({ since, to, request }: Scope, room: RoomOfUser): SyncRoom {
  const fresh = room.position > since
  const wholeState = fresh || request.fullState
  return { from: fresh ? 0 : since, until: to, wholeState, end: undefined, outside: false, ...room }
}

/** The step by which the user was in no more. */
function endOfMembership(steps: readonly Step[]): Step | undefined {
  const lastIn = steps.findLastIndex((step) => step.membership === 'join')
  return lastIn < 0 ? undefined : steps[lastIn + 1]
}
