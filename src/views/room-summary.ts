import type { App } from '../app.ts'
import { allowedRoomIds, isRestricted } from '../core/join-rules.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { joinedAmong, membershipsIn } from '../store/memberships.ts'
import { type RoomSummary, roomSummary } from '../store/rooms.ts'
import { contentsOf } from '../store/state.ts'

/** What the directory tells of a room (Client-Server API, "Published room directory"). */
export function publishedRoom(room: RoomSummary): Record<string, unknown> {
  return {
    room_id: room.room_id,
    num_joined_members: room.joined_members,
    world_readable: room.history_visibility === 'world_readable',
    guest_can_join: room.guest_access === 'can_join',
    join_rule: room.join_rule ?? 'invite',
    ...present({
      name: room.name,
      topic: room.topic,
      avatar_url: room.avatar_url,
      canonical_alias: room.canonical_alias,
      room_type: room.room_type,
    }),
  }
}

/** What previews and spaces tell beyond that. */
export function summaryOf(room: RoomSummary, allowedRooms: readonly string[]): Record<string, unknown> {
  return {
    ...publishedRoom(room),
    room_version: room.version,
    ...present({ encryption: room.encryption }),
    ...(allowedRooms.length === 0 ? {} : { allowed_room_ids: allowedRooms }),
  }
}

/** Keys without a value are left out; so are texts that are empty. */
function present(values: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== null && entry[1] !== ''),
  )
}

/**
 * A room's summary for who may know of it (`GET /room_summary/{roomIdOrAlias}`). Errors: M_NOT_FOUND, also for a room
 * that is not for the user to see.
 */
export async function summary(app: App, userId: string | undefined, roomId: string): Promise<Record<string, unknown>> {
  const room = await roomSummary(app.db, roomId)
  const seen = room && (await recognise(app, userId, room))
  if (room === undefined || seen === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known.')
  const membership = seen.membership === undefined ? {} : { membership: seen.membership }
  return { ...summaryOf(room, seen.allowedRooms), ...membership }
}

export interface Recognised {
  readonly membership: string | undefined
  readonly allowedRooms: readonly string[]
}

export async function recognise(
  app: App,
  userId: string | undefined,
  room: RoomSummary,
): Promise<Recognised | undefined> {
  return (await recogniseAll(app, userId, [room])).get(room.room)
}

/** Join rules under which everybody may ask. */
export const OPEN_JOIN_RULES: ReadonlySet<string> = new Set(['public', 'knock', 'knock_restricted'])

/**
 * Which of the rooms a user may know of, by number: who is in a room or invited, and everybody where it is open to
 * joins or knocks or readable for the world, or lets in members of a room that the user is in. Three queries, however
 * many rooms.
 */
export async function recogniseAll(
  app: App,
  userId: string | undefined,
  rooms: readonly RoomSummary[],
): Promise<Map<number, Recognised>> {
  const numbers = rooms.map((room) => room.room)
  const memberships = userId === undefined ? new Map() : await membershipsIn(app.db, userId, numbers)
  const restricted = rooms.filter((room) => isRestricted(room.join_rule)).map((room) => room.room)
  const rules = restricted.length === 0 ? new Map() : await contentsOf(app.db, restricted, 'm.room.join_rules')
  const allowedRooms = new Map(restricted.map((room) => [room, allowedRoomIds(rules.get(room))]))
  const named = [...new Set([...allowedRooms.values()].flat())]
  const joined = userId === undefined ? new Set() : await joinedAmong(app.db, userId, named)
  const recognised = new Map<number, Recognised>()
  for (const room of rooms) {
    const membership: string | undefined = memberships.get(room.room)
    const allowed = allowedRooms.get(room.room) ?? []
    if (mayKnow(room, membership) || (membership !== 'ban' && allowed.some((roomId) => joined.has(roomId))))
      recognised.set(room.room, { membership, allowedRooms: allowed })
  }
  return recognised
}

function mayKnow(room: RoomSummary, membership: string | undefined): boolean {
  if (membership === 'ban') return false
  if (membership === 'join' || membership === 'invite') return true
  return OPEN_JOIN_RULES.has(room.join_rule ?? '') || room.history_visibility === 'world_readable'
}
