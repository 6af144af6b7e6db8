import type { App } from '../app.ts'
import { allowedRoomIds, isRestricted } from '../core/join-rules.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { isJoinedToAny, membershipOf } from '../store/memberships.ts'
import { type RoomSummary, roomSummary } from '../store/rooms.ts'
import { currentContent } from '../store/state.ts'

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

/**
 * Whether a user may know of the room: who is in it or invited, and everybody where it is open to joins or knocks or
 * readable for the world, or lets in members of a room that the user is in. undefined: the user may not.
 */
export async function recognise(
  app: App,
  userId: string | undefined,
  room: RoomSummary,
): Promise<Recognised | undefined> {
  const row = userId === undefined ? undefined : await membershipOf(app.db, room.room, userId)
  const rules = isRestricted(room.join_rule)
    ? await currentContent(app.db, room.room_id, 'm.room.join_rules', '')
    : undefined
  const allowedRooms = allowedRoomIds(rules)
  const recognised = { membership: row?.membership, allowedRooms }
  if (row?.membership === 'ban') return undefined
  if (row?.membership === 'join' || row?.membership === 'invite') return recognised
  if (OPEN.has(room.join_rule ?? '') || room.history_visibility === 'world_readable') return recognised
  const isMember = userId !== undefined && (await isJoinedToAny(app.db, userId, allowedRooms))
  return isMember ? recognised : undefined
}

/** Join rules under which everybody may ask. */
const OPEN: ReadonlySet<string> = new Set(['public', 'knock', 'knock_restricted'])
