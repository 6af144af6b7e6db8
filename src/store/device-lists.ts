import type { Database } from '../db/database.ts'
import { intList, type LogPosition, type Sql, sql, textList } from '../db/sql.ts'

/** The log row of a change: `subject` is whose list it is, `user` who alone is told. */
export const DEVICE_LIST = 'device_list'

export interface DeviceListChange {
  readonly userId: string
  /** null: the cross-signing keys changed. */
  readonly deviceId: string | null
  /** Who alone hears of it; null: everybody who shares a room with the user. */
  readonly told: string | null
}

/** Every change stands for all rooms of the user. */
const ALL_ROOMS = 0
/** Most users whom one answer names. */
const MAX_USERS = 100_000

export function insertDeviceListChange({ userId, deviceId, told }: DeviceListChange, position: LogPosition): Sql {
  return sql`INSERT INTO device_list_changes (position, user_id, room, device_id, told)
    VALUES (${position}, ${userId}, ${ALL_ROOMS}, ${deviceId}, ${told})`
}

/** Users whose lists changed between two positions, as far as this one is to know. */
export function changedDeviceLists(
  db: Database,
  viewer: string,
  since: number,
  to: number,
): Promise<{ user_id: string }[]> {
  return db.read(sql`SELECT DISTINCT c.user_id FROM device_list_changes c
    WHERE c.room = ${ALL_ROOMS} AND c.position > ${since} AND c.position <= ${to}
      AND (c.told = ${viewer} OR (c.told IS NULL AND (c.user_id = ${viewer} OR EXISTS (
        SELECT 1 FROM memberships mine JOIN memberships theirs ON theirs.room = mine.room
        WHERE mine.user_id = ${viewer} AND mine.membership = 'join'
          AND theirs.user_id = c.user_id AND theirs.membership = 'join'))))
    ORDER BY c.user_id LIMIT ${MAX_USERS}`)
}

/** Those of the users who share a room with this one now. */
export async function sharingWith(db: Database, userId: string, others: readonly string[]): Promise<Set<string>> {
  if (others.length === 0) return new Set()
  const rows = await db.read<{ user_id: string }>(sql`SELECT DISTINCT theirs.user_id FROM memberships mine
    JOIN memberships theirs ON theirs.room = mine.room AND theirs.membership = 'join'
    WHERE mine.user_id = ${userId} AND mine.membership = 'join' AND theirs.user_id IN ${textList(others)}`)
  return new Set(rows.map((row) => row.user_id))
}

/** The user's rooms: those joined, and those whose membership changed after the position. */
export function roomsMetSince(
  db: Database,
  userId: string,
  since: number,
): Promise<{ room: number; membership: string; position: number }[]> {
  return db.read(sql`SELECT room, membership, position FROM memberships
    WHERE user_id = ${userId} AND (membership = 'join' OR position > ${since})`)
}

export interface MemberStep {
  readonly room: number
  readonly user_id: string
  readonly membership: string
  /** The membership before all steps. */
  readonly before: string | null
}

/** How memberships of the rooms changed between two positions, oldest first. */
export function memberSteps(db: Database, rooms: readonly number[], since: number, to: number): Promise<MemberStep[]> {
  return db.read(sql`SELECT c.room, c.state_key AS user_id, h.membership, (SELECT p.membership
      FROM membership_history p WHERE p.room = c.room AND p.user_id = c.state_key AND p.position <= ${since}
      ORDER BY p.position DESC LIMIT 1) AS before
    FROM state_changes c JOIN membership_history h ON h.room = c.room AND h.user_id = c.state_key
      AND h.position = c.position
    WHERE c.room IN ${intList(rooms)} AND c.position > ${since} AND c.position <= ${to}
      AND c.type = 'm.room.member' ORDER BY c.position LIMIT ${MAX_USERS}`)
}

/** Who is in the rooms, or invited. */
export function membersToKnow(db: Database, rooms: readonly number[]): Promise<{ user_id: string }[]> {
  return db.read(sql`SELECT DISTINCT user_id FROM memberships
    WHERE room IN ${intList(rooms)} AND membership IN ('join', 'invite') LIMIT ${MAX_USERS}`)
}

/** Who was in the rooms after the position, perhaps not to the end. */
export function membersSince(db: Database, rooms: readonly number[], since: number): Promise<{ user_id: string }[]> {
  return db.read(sql`SELECT DISTINCT user_id FROM memberships WHERE room IN ${intList(rooms)}
    AND (membership = 'join' OR (membership IN ('leave', 'ban') AND position > ${since})) LIMIT ${MAX_USERS}`)
}
