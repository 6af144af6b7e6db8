import type { UserId } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { intList, type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import type { DeviceName } from './device-keys.ts'
import { findByName } from './user-directory.ts'

export interface MembershipRow {
  readonly room: number
  readonly user_id: UserId
  readonly membership: string
  readonly event: number | null
  readonly sender: UserId
  readonly position: number
  readonly forgotten: number
  readonly stripped_state: string | null
  readonly displayname: string | null
  readonly avatar_url: string | null
}

const COLUMNS = sql`room, user_id, membership, event, sender, position, forgotten, stripped_state, displayname,
  avatar_url`

export async function membershipOf(db: Database, room: number, userId: string): Promise<MembershipRow | undefined> {
  const rows = await db.read<MembershipRow>(
    sql`SELECT ${COLUMNS} FROM memberships WHERE room = ${room} AND user_id = ${userId}`,
  )
  return rows[0]
}

export interface RoomOfUser {
  readonly room: number
  readonly room_id: string
  readonly version: string | null
  readonly membership: string
  readonly event: number | null
  readonly sender: string
  /** Of the user's last member event. */
  readonly position: number
  readonly stripped_state: string | null
  /** The user's name in the room. */
  readonly displayname: string | null
  readonly name: string | null
  readonly canonical_alias: string | null
  readonly joined_members: number
  readonly invited_members: number
}

/** Rooms joined, invited to or knocked on, and those left after the position. */
export function roomsOfUser(db: Database, userId: string, leftAfter: number): Promise<RoomOfUser[]> {
  return db.read(ofUser(userId, leftAfter))
}

function ofUser(userId: string, leftAfter: number): Sql {
  return sql`SELECT m.room, r.room_id, r.version, m.membership, m.event, m.sender, m.position,
      m.stripped_state, m.displayname, r.name, r.canonical_alias, r.joined_members, r.invited_members
    FROM memberships m JOIN rooms r ON r.room = m.room
    WHERE m.user_id = ${userId} AND m.forgotten = 0
      AND (m.membership IN ('join', 'invite', 'knock') OR m.position > ${leftAfter})`
}

/** A peek lasts until its user joins the room, or leaves it in any other way. */
function peekedBy({ userId, deviceId }: DeviceName): Sql {
  return sql`FROM peeks p JOIN rooms r ON r.room = p.room
    LEFT JOIN memberships m ON m.room = p.room AND m.user_id = p.user_id
    WHERE p.user_id = ${userId} AND p.device_id = ${deviceId} AND (m.membership IS NULL OR (m.membership <> 'join'
      AND (m.membership IN ('invite', 'knock') OR m.position <= p.position)))`
}

/** Rooms that a sync may speak of: those of the user, and as `peek` those that the device looks into. */
export function roomsOfDevice(db: Database, device: DeviceName, leftAfter: number): Promise<RoomOfUser[]> {
  return db.read(sql`${ofUser(device.userId, leftAfter)} UNION ALL
    SELECT p.room, r.room_id, r.version, 'peek', NULL, p.user_id, p.position, NULL, NULL, r.name, r.canonical_alias,
      r.joined_members, r.invited_members ${peekedBy(device)}`)
}

/** The rooms whose news concern the device: those that the user is in, and those it looks into. */
export async function roomsHeardBy(db: Database, device: DeviceName): Promise<Set<number>> {
  const rows = await db.read<{ room: number }>(sql`SELECT room FROM memberships
    WHERE user_id = ${device.userId} AND membership = 'join' UNION ALL SELECT p.room ${peekedBy(device)}`)
  return new Set(rows.map((row) => row.room))
}

export function joinedRooms(db: Database, userId: string): Promise<{ room_id: string }[]> {
  return db.read(sql`SELECT r.room_id FROM memberships m JOIN rooms r ON r.room = m.room
    WHERE m.user_id = ${userId} AND m.membership = 'join' ORDER BY m.room`)
}

/** What the user is to every room that they have to do with, at most `limit` of them. */
export function everyMembershipOf(
  db: Database,
  userId: string,
  limit: number,
): Promise<{ room_id: string; membership: string }[]> {
  return db.read(sql`SELECT r.room_id, m.membership FROM memberships m JOIN rooms r ON r.room = m.room
    WHERE m.user_id = ${userId} ORDER BY m.room LIMIT ${limit}`)
}

const SHARED = sql`FROM memberships m JOIN memberships o ON o.room = m.room AND o.membership = 'join'
  JOIN rooms r ON r.room = m.room WHERE m.membership = 'join'`

/** Rooms with numbers above `after` that both users are in, in the order of their numbers. */
export function sharedRooms(
  db: Database,
  userId: string,
  otherId: string,
  after: number,
  limit: number,
): Promise<{ room: number; room_id: string }[]> {
  return db.read(sql`SELECT m.room, r.room_id ${SHARED} AND m.user_id = ${userId} AND o.user_id = ${otherId}
    AND m.room > ${after} ORDER BY m.room LIMIT ${limit}`)
}

export async function countSharedRooms(db: Database, userId: string, otherId: string): Promise<number> {
  const rows = await db.read<{ rooms: number }>(
    sql`SELECT count(*) AS rooms ${SHARED} AND m.user_id = ${userId} AND o.user_id = ${otherId}`,
  )
  return rows[0]?.rooms ?? 0
}

/** Rooms that the user is in, invited to or knocking on, oldest first. */
export function roomsToLeave(db: Database, userId: string): Promise<{ room_id: string; membership: string }[]> {
  return db.read(sql`SELECT r.room_id, m.membership FROM memberships m JOIN rooms r ON r.room = m.room
    WHERE m.user_id = ${userId} AND m.membership IN ('join', 'invite', 'knock') ORDER BY m.position`)
}

export function membersOf(db: Database, room: number, membership: string, limit: number): Promise<MembershipRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM memberships WHERE room = ${room} AND membership = ${membership}
    ORDER BY position LIMIT ${limit}`)
}

/** Joined members whose ids end in the server's name, its case aside, in no order that means anything. */
export function localMembersOf(
  db: Database,
  room: number,
  serverName: string,
  limit: number,
): Promise<{ user_id: UserId }[]> {
  return db.read(sql`SELECT user_id FROM memberships WHERE room = ${room} AND membership = 'join'
    AND user_id LIKE ${`%:${serverName}`} LIMIT ${limit}`)
}

/** Those of the rooms that the user is in. */
export async function joinedAmong(db: Database, userId: string, roomIds: readonly string[]): Promise<Set<string>> {
  if (roomIds.length === 0) return new Set()
  const rows = await db.read<{ room_id: string }>(sql`SELECT r.room_id FROM rooms r
    JOIN memberships m ON m.room = r.room AND m.user_id = ${userId}
    WHERE r.room_id IN ${textList(roomIds)} AND m.membership = 'join'`)
  return new Set(rows.map((row) => row.room_id))
}

/** The user's memberships of these rooms, by room. */
export async function membershipsIn(
  db: Database,
  userId: string,
  rooms: readonly number[],
): Promise<Map<number, string>> {
  const rows = await db.read<{ room: number; membership: string }>(sql`SELECT room, membership FROM memberships
    WHERE user_id = ${userId} AND room IN ${intList(rooms)}`)
  return new Map(rows.map((row) => [row.room, row.membership]))
}

/** Guests of this server in the room whose ids come after `last`, in order. */
export function joinedGuests(db: Database, room: number, last: string, limit: number): Promise<{ user_id: UserId }[]> {
  return db.read(sql`SELECT m.user_id FROM memberships m JOIN users u ON u.user_id = m.user_id
    WHERE m.room = ${room} AND m.membership = 'join' AND u.kind = 'guest' AND m.user_id > ${last}
    ORDER BY m.user_id LIMIT ${limit}`)
}

/** The banned, with the content of the event that says so. */
export function bansOf(db: Database, room: number, limit: number): Promise<{ user_id: UserId; content: string }[]> {
  return db.read(sql`SELECT m.user_id, e.content FROM memberships m JOIN events e ON e.event = m.event
    WHERE m.room = ${room} AND m.membership = 'ban' ORDER BY m.position LIMIT ${limit}`)
}

/** What changes when a membership changes. `counts` are kept by the caller. */
export interface MembershipChange {
  readonly room: number
  readonly userId: string
  readonly membership: string
  readonly event: number | null
  readonly sender: string
  readonly position: LogPosition
  readonly strippedState: string | null
  readonly displayname: string | null
  readonly avatarUrl: string | null
}

export function changeMembership(change: MembershipChange): Sql[] {
  return [
    sql`INSERT INTO memberships (room, user_id, membership, event, sender, position, stripped_state, displayname,
      avatar_url)
      VALUES (${change.room}, ${change.userId}, ${change.membership}, ${change.event}, ${change.sender},
        ${change.position},
      ${change.strippedState}, ${change.displayname}, ${change.avatarUrl})
      ON CONFLICT (room, user_id) DO UPDATE SET membership = excluded.membership, event = excluded.event,
      sender = excluded.sender, position = excluded.position, stripped_state = excluded.stripped_state,
      displayname = excluded.displayname, avatar_url = excluded.avatar_url, forgotten = 0, out_of_band = 0`,
    sql`INSERT INTO membership_history (room, user_id, position, membership, event)
      VALUES (${change.room}, ${change.userId}, ${change.position}, ${change.membership}, ${change.event})`,
    ...(change.membership === 'join' ? [findByName(change.userId, change.displayname)] : []),
  ]
}

export function forget(room: number, userId: string): Sql {
  return sql`UPDATE memberships SET forgotten = 1 WHERE room = ${room} AND user_id = ${userId} AND membership IN
    ('leave', 'ban')`
}

/** How the user's membership of the rooms changed over time, oldest first. */
export function membershipHistory(
  db: Database,
  userId: string,
  rooms: readonly number[],
): Promise<{ room: number; position: number; membership: string; event: number | null }[]> {
  return db.read(sql`SELECT room, position, membership, event FROM membership_history
    WHERE room IN ${intList(rooms)} AND user_id = ${userId} ORDER BY room, position`)
}

/** Members named in the summary of a room without a name. */
const MAX_HEROES = 5

/** A member by whom a room without a name is called. */
export interface Hero {
  readonly room: number
  readonly user_id: string
  readonly displayname: string | null
  readonly avatar_url: string | null
}

/** Of each room the members other than the user that are there longest; of a room without others, those who left. */
export function heroesOf(db: Database, rooms: readonly number[], userId: string): Promise<Hero[]> {
  return db.read(sql`SELECT room, user_id, displayname, avatar_url FROM (
      SELECT room, user_id, displayname, avatar_url, present,
        ROW_NUMBER() OVER (PARTITION BY room ORDER BY present DESC, position) AS place,
        MAX(present) OVER (PARTITION BY room) AS anybody FROM (
        SELECT room, user_id, displayname, avatar_url, position,
          CASE WHEN membership IN ('join', 'invite') THEN 1 ELSE 0 END AS present
        FROM memberships WHERE room IN ${intList(rooms)} AND user_id <> ${userId} AND membership <> 'knock') AS others
      ) AS numbered
    WHERE place <= ${MAX_HEROES} AND present = anybody ORDER BY room, place`)
}
