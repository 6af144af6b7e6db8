import type { Database } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import { serverOf } from './server-of.ts'

export interface PresenceRow {
  readonly user_id: string
  readonly presence: string
  readonly status_msg: string | null
  readonly last_active_ts: number
}

const COLUMNS = sql`p.user_id, p.presence, p.status_msg, p.last_active_ts`
/** Most users in one answer. */
const MAX_ROWS = 1_000
/** Members of the user's rooms whose presence is looked up, at most: beyond that some are left out. */
const MAX_MEMBERS = 20_000

export async function presenceOf(db: Database, userId: string): Promise<PresenceRow | undefined> {
  const rows = await db.read<PresenceRow>(sql`SELECT ${COLUMNS} FROM presence p WHERE p.user_id = ${userId}`)
  return rows[0]
}

export function storePresence(row: PresenceRow, position: LogPosition): Sql {
  return sql`INSERT INTO presence (user_id, presence, status_msg, last_active_ts, position)
    VALUES (${row.user_id}, ${row.presence}, ${row.status_msg}, ${row.last_active_ts}, ${position})
    ON CONFLICT (user_id) DO UPDATE SET presence = excluded.presence, status_msg = excluded.status_msg,
      last_active_ts = excluded.last_active_ts, position = excluded.position`
}

/**
 * What changed after the position of the presence of the user, and of those with whom the user shares a room, the
 * newest first. All changes since then are gone through, and the rooms of the others: from far back, `presenceAround`
 * is for that.
 */
export function presenceSince(db: Database, userId: string, since: number): Promise<PresenceRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM presence p WHERE p.position > ${since}
      AND (p.user_id = ${userId} OR EXISTS (SELECT 1 FROM memberships theirs CROSS JOIN memberships mine
        WHERE theirs.user_id = p.user_id AND theirs.membership = 'join'
          AND mine.room = theirs.room AND mine.user_id = ${userId} AND mine.membership = 'join'))
    ORDER BY p.position DESC LIMIT ${MAX_ROWS}`)
}

/** Of those with whom the user shares a room only since the position, what did not change after it. */
export function presenceOfMet(db: Database, userId: string, since: number): Promise<PresenceRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM presence p WHERE p.position <= ${since} AND p.user_id <> ${userId}
      AND p.user_id IN (${membersAround(userId, sql`AND (mine.position > ${since} OR theirs.position > ${since})`)})
    ORDER BY p.position DESC LIMIT ${MAX_ROWS}`)
}

/** Of the user, and of those with whom the user shares a room, whenever it changed. */
export function presenceAround(db: Database, userId: string): Promise<PresenceRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM presence p WHERE p.user_id IN (
      SELECT user_id FROM (${membersAround(userId, sql``)}) around UNION ALL SELECT ${userId})
    ORDER BY p.position DESC LIMIT ${MAX_ROWS}`)
}

function membersAround(userId: string, more: Sql): Sql {
  return sql`SELECT theirs.user_id FROM memberships mine CROSS JOIN memberships theirs
    WHERE mine.user_id = ${userId} AND mine.membership = 'join'
      AND theirs.room = mine.room AND theirs.membership = 'join' ${more} LIMIT ${MAX_MEMBERS}`
}

/** Of the members of the room that are of the server. */
export function presenceInRoom(db: Database, room: number, server: string, limit: number): Promise<PresenceRow[]> {
  return db.read(sql`SELECT ${COLUMNS} FROM memberships m JOIN presence p ON p.user_id = m.user_id
    WHERE m.room = ${room} AND m.membership = 'join' AND ${serverOf('m.user_id')} = ${server}
    ORDER BY p.position DESC LIMIT ${limit}`)
}

export async function shareRoom(db: Database, userId: string, otherUserId: string): Promise<boolean> {
  const rows = await db.read(sql`SELECT 1 AS one FROM memberships mine
    JOIN memberships theirs ON theirs.room = mine.room AND theirs.membership = 'join'
    WHERE mine.user_id = ${userId} AND mine.membership = 'join' AND theirs.user_id = ${otherUserId} LIMIT 1`)
  return rows.length > 0
}

/** Rooms in which somebody may care for the presence of these users. */
export function roomsOfUsers(db: Database, userIds: readonly string[]): Promise<{ user_id: string; room: number }[]> {
  return db.read(sql`SELECT user_id, room FROM memberships
    WHERE user_id IN ${textList(userIds)} AND membership = 'join'`)
}
