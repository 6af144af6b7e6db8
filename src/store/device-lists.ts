import type { Database } from '../db/database.ts'
import { intList, type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import { serverOf } from './server-of.ts'

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

const SERVER = serverOf('c.user_id')

export interface OutboundListChange {
  readonly position: number
  readonly user_id: string
  /** null: the cross-signing keys. */
  readonly device_id: string | null
  /** The change of a device of this user before this one; null: there was none. */
  readonly previous: number | null
  /** The device is there no more. */
  readonly gone: number
}

/**
 * Changes of lists of our users in (since, to] that another server is to hear of, oldest first: it shares a room with
 * the user now.
 */
export function listChangesFor(
  db: Database,
  server: string,
  ourName: string,
  since: number,
  to: number,
  limit: number,
): Promise<OutboundListChange[]> {
  return db.read(sql`SELECT c.position, c.user_id, c.device_id, CASE WHEN d.device_id IS NULL THEN 1 ELSE 0 END AS gone,
      (SELECT MAX(p.position) FROM device_list_changes p WHERE p.user_id = c.user_id AND p.position < c.position
        AND p.device_id IS NOT NULL) AS previous
    FROM device_list_changes c LEFT JOIN devices d ON d.user_id = c.user_id AND d.device_id = c.device_id
    WHERE c.room = ${ALL_ROOMS} AND c.position > ${since} AND c.position <= ${to} AND c.told IS NULL
      AND ${SERVER} = ${ourName} AND EXISTS (SELECT 1 FROM memberships m
        JOIN room_servers s ON s.room = m.room AND s.server = ${server} AND s.to_position IS NULL
        WHERE m.user_id = c.user_id AND m.membership = 'join')
    ORDER BY c.position LIMIT ${limit}`)
}

/** The number of the user's device list as other servers know it: of the last change of a device. */
export async function streamIdOf(db: Database, userId: string): Promise<number> {
  const rows = await db.read<{ position: number | null }>(sql`SELECT MAX(position) AS position
    FROM device_list_changes WHERE user_id = ${userId} AND device_id IS NOT NULL`)
  return rows[0]?.position ?? 0
}
