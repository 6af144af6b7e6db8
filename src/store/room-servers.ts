import type { ServerName } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import { serverOf } from './server-of.ts'

const SERVER = serverOf('user_id')

/** The servers with users joined to the room now. */
export async function serversIn(db: Database, room: number): Promise<ServerName[]> {
  const rows = await db.read<{ server: ServerName }>(
    sql`SELECT server FROM room_servers WHERE room = ${room} AND to_position IS NULL ORDER BY from_position, server`,
  )
  return rows.map((row) => row.server)
}

export async function serverIsIn(db: Database, room: number, server: string): Promise<boolean> {
  const rows = await db.read(sql`SELECT server FROM room_servers
    WHERE room = ${room} AND server = ${server} AND to_position IS NULL`)
  return rows.length > 0
}

/** The position since which the server is in the room. */
export async function serverCameAt(db: Database, room: number, server: string): Promise<number | undefined> {
  const rows = await db.read<{ from_position: number }>(sql`SELECT from_position FROM room_servers
    WHERE room = ${room} AND server = ${server} AND to_position IS NULL`)
  return rows[0]?.from_position
}

/** Whether the server is in one of the rooms. */
export async function serverIsInAny(db: Database, roomIds: readonly string[], server: string): Promise<boolean> {
  const rows = await db.read(sql`SELECT s.room FROM rooms r JOIN room_servers s ON s.room = r.room
    WHERE r.room_id IN ${textList(roomIds)} AND s.server = ${server} AND s.to_position IS NULL LIMIT 1`)
  return rows.length > 0
}

/** Servers that are in a room of the user's. */
export async function serversSharing(db: Database, userId: string): Promise<ServerName[]> {
  const rows = await db.read<{ server: ServerName }>(sql`SELECT DISTINCT s.server FROM memberships m
    JOIN room_servers s ON s.room = m.room AND s.to_position IS NULL
    WHERE m.user_id = ${userId} AND m.membership = 'join'`)
  return rows.map((row) => row.server)
}

/** Servers that share a room with this one now. */
export function neighbours(db: Database, server: string): Promise<{ server: ServerName }[]> {
  return db.read(sql`SELECT DISTINCT other.server FROM room_servers mine
    JOIN room_servers other ON other.room = mine.room AND other.to_position IS NULL
    WHERE mine.server = ${server} AND mine.to_position IS NULL AND other.server <> ${server}`)
}

/** A user of the server joined: it is in the room from this position on, unless it is already. */
export function serverJoins(room: number, server: string, position: LogPosition): Sql {
  return sql`INSERT INTO room_servers (room, server, from_position, to_position)
    SELECT ${room}, ${server}, ${position}, NULL
    WHERE NOT EXISTS (SELECT 1 FROM room_servers WHERE room = ${room} AND server = ${server} AND to_position IS NULL)
    ON CONFLICT (room, server, from_position) DO UPDATE SET to_position = NULL`
}

/** A user of the server left: with the last one goes the server. */
export function serverLeaves(room: number, server: string, position: LogPosition): Sql {
  return sql`UPDATE room_servers SET to_position = ${position}
    WHERE room = ${room} AND server = ${server} AND to_position IS NULL
    AND NOT EXISTS (SELECT 1 FROM memberships WHERE room = ${room} AND membership = 'join' AND ${SERVER} = ${server})`
}

/** Members of a server in the room, whatever their membership. */
export function membersOfServer(
  db: Database,
  room: number,
  server: string,
): Promise<{ user_id: string; membership: string }[]> {
  return db.read(sql`SELECT user_id, membership FROM memberships WHERE room = ${room} AND ${SERVER} = ${server}`)
}
