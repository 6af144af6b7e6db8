import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import { holding } from './admin-users.ts'

/** A room as administrators see it. */
export interface ListedRoom {
  readonly room: number
  readonly room_id: string
  readonly version: string | null
  readonly published: number
  readonly blocked: number
  readonly name: string | null
  readonly topic: string | null
  readonly avatar_url: string | null
  readonly canonical_alias: string | null
  readonly room_type: string | null
  readonly encryption: string | null
  readonly join_rule: string | null
  readonly guest_access: string | null
  readonly history_visibility: string | null
  readonly joined_members: number
  readonly joined_local_members: number
  readonly state_events: number
  readonly creator: string | null
  /** Content of the create event, as JSON text. */
  readonly creation: string | null
}

/** The ends of a room. */
export interface ListedHead {
  readonly event_id: string
  readonly state_group: number | null
  readonly depth: number
  /** What the sender says; when it came is not kept. Milliseconds since 1970. */
  readonly received_ts: number
}

export function listHeads(db: Database, room: number): Promise<ListedHead[]> {
  return db.read(sql`SELECT e.event_id, h.snapshot AS state_group, e.depth, e.origin_server_ts AS received_ts
    FROM heads h JOIN events e ON e.event = h.event WHERE h.room = ${room} ORDER BY e.event`)
}

export interface RoomSearch {
  /** Part of the name, an alias or the room id. */
  readonly text: string
  readonly order: string
  readonly backwards: boolean
  readonly from: number
  readonly limit: number
  readonly serverName: string
}

const TABLES = sql`rooms r LEFT JOIN events c ON c.event = r.create_event`

function columns(serverName: string): Sql {
  return sql`r.room, r.room_id, r.version, r.published, r.blocked, r.name, r.topic, r.avatar_url, r.canonical_alias,
    r.room_type, r.encryption, r.join_rule, r.guest_access, r.history_visibility, r.joined_members,
    (SELECT count(*) FROM memberships m WHERE m.room = r.room AND m.membership = 'join'
      AND m.user_id LIKE ${`%:${serverName}`}) AS joined_local_members,
    (SELECT count(*) FROM current_state s WHERE s.room = r.room) AS state_events,
    c.sender AS creator, c.content AS creation`
}

/** What rooms are sorted by, each with the direction that comes first; all others by their names. */
const ORDERS: ReadonlyMap<string, { readonly by: Sql; readonly falling?: boolean }> = new Map([
  ['canonical_alias', { by: sql`COALESCE(r.canonical_alias, '')` }],
  ['joined_members', { by: sql`r.joined_members`, falling: true }],
  ['version', { by: sql`COALESCE(r.version, '')`, falling: true }],
  ['creator', { by: sql`COALESCE(c.sender, '')` }],
  ['encryption', { by: sql`COALESCE(r.encryption, '')` }],
  ['public', { by: sql`r.published` }],
  ['join_rules', { by: sql`COALESCE(r.join_rule, '')` }],
  ['guest_access', { by: sql`COALESCE(r.guest_access, '')` }],
  ['history_visibility', { by: sql`COALESCE(r.history_visibility, '')` }],
])

export function listRooms(db: Database, search: RoomSearch): Promise<ListedRoom[]> {
  const { by, falling = false } = ORDERS.get(search.order) ?? { by: sql`COALESCE(r.name, '')` }
  const direction = falling === search.backwards ? sql`ASC` : sql`DESC`
  return db.read(sql`SELECT ${columns(search.serverName)} FROM ${TABLES} WHERE ${fits(search.text)}
    ORDER BY ${by} ${direction}, r.room_id LIMIT ${search.limit} OFFSET ${search.from}`)
}

export async function countRooms(db: Database, text: string): Promise<number> {
  const rows = await db.read<{ rooms: number }>(sql`SELECT count(*) AS rooms FROM ${TABLES} WHERE ${fits(text)}`)
  return rows[0]?.rooms ?? 0
}

export async function listedRoom(db: Database, roomId: string, serverName: string): Promise<ListedRoom | undefined> {
  const rows = await db.read<ListedRoom>(sql`SELECT ${columns(serverName)} FROM ${TABLES} WHERE r.room_id = ${roomId}`)
  return rows[0]
}

/** Users of this server who are in the room or on their way into it, behind `after` in the order of their ids. */
export function localUsersOf(
  db: Database,
  room: number,
  serverName: string,
  after: string,
  limit: number,
): Promise<{ user_id: string }[]> {
  return db.read(sql`SELECT user_id FROM memberships WHERE room = ${room} AND user_id > ${after}
    AND membership IN ('join', 'invite', 'knock') AND user_id LIKE ${`%:${serverName}`}
    ORDER BY user_id LIMIT ${limit}`)
}

export function blockRoom(room: number, blocked: boolean): Sql {
  return sql`UPDATE rooms SET blocked = ${blocked ? 1 : 0} WHERE room = ${room}`
}

export function deleteAliasesOf(room: number): Sql {
  return sql`DELETE FROM aliases WHERE room = ${room}`
}

function fits(text: string): Sql {
  const pattern = holding(text)
  return sql`r.version IS NOT NULL AND (lower(COALESCE(r.name, '')) LIKE ${pattern} ESCAPE '!'
    OR lower(COALESCE(r.canonical_alias, '')) LIKE ${pattern} ESCAPE '!'
    OR lower(r.room_id) LIKE ${pattern} ESCAPE '!')`
}
