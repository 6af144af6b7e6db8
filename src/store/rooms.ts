import type { EventId, RoomId } from '../core/ids.ts'
import { RETENTION } from '../core/retention.ts'
import type { Database, Guard } from '../db/database.ts'
import { rowsOf, type Sql, sql, textList } from '../db/sql.ts'
import { retentionChanged } from './lifetimes.ts'
import { endPeeksInto } from './peeks.ts'

export interface RoomRow {
  readonly room: number
  readonly room_id: RoomId
  readonly version: string | null
  readonly create_event: number | null
  readonly blocked: number
  readonly history_visibility: string | null
  /** 1: most members are not known yet, see `actions/federation/complete-room.ts`. */
  readonly partial_state: number
}

export const ROOM_COLUMNS = sql`room, room_id, version, create_event, blocked, history_visibility, partial_state`

export async function roomById(db: Database, roomId: string): Promise<RoomRow | undefined> {
  const rows = await db.read<RoomRow>(sql`SELECT ${ROOM_COLUMNS} FROM rooms WHERE room_id = ${roomId}`)
  return rows[0]
}

export async function roomByNumber(db: Database, room: number): Promise<RoomRow | undefined> {
  const rows = await db.read<RoomRow>(sql`SELECT ${ROOM_COLUMNS} FROM rooms WHERE room = ${room}`)
  return rows[0]
}

export async function roomByAlias(db: Database, alias: string): Promise<RoomRow | undefined> {
  const rows = await db.read<RoomRow>(sql`SELECT ${ROOM_COLUMNS} FROM rooms
    WHERE room = (SELECT room FROM aliases WHERE alias = ${alias})`)
  return rows[0]
}

/** What lists and previews tell of a room: the columns that repeat its current state. */
export interface RoomSummary {
  readonly room: number
  readonly room_id: RoomId
  readonly version: string
  readonly published: number
  readonly room_type: string | null
  readonly name: string | null
  readonly topic: string | null
  readonly avatar_url: string | null
  readonly canonical_alias: string | null
  readonly encryption: string | null
  readonly join_rule: string | null
  readonly guest_access: string | null
  readonly history_visibility: string | null
  readonly joined_members: number
}

const SUMMARY_COLUMNS = sql`room, room_id, version, published, room_type, name, topic, avatar_url, canonical_alias,
  encryption, join_rule, guest_access, history_visibility, joined_members`
const KNOWN = sql`version IS NOT NULL AND blocked = 0`

export async function roomSummary(db: Database, roomId: string): Promise<RoomSummary | undefined> {
  return (await roomSummaries(db, [roomId]))[0]
}

export function roomSummaries(db: Database, roomIds: readonly string[]): Promise<RoomSummary[]> {
  return db.read(sql`SELECT ${SUMMARY_COLUMNS} FROM rooms WHERE room_id IN ${textList(roomIds)} AND ${KNOWN}`)
}

/** Those of the rooms that this server has users in. */
export function roomsWeAreIn(db: Database, ourName: string, roomIds: readonly string[]): Promise<RoomSummary[]> {
  return db.read(sql`SELECT ${SUMMARY_COLUMNS} FROM rooms r WHERE room_id IN ${textList(roomIds)} AND ${KNOWN}
    AND EXISTS (SELECT 1 FROM room_servers s WHERE s.room = r.room AND s.server = ${ourName}
      AND s.to_position IS NULL)`)
}

/** A place in the directory, in which the rooms with most members come first. */
export interface DirectoryPlace {
  readonly members: number
  readonly room: number
}

/** Whose directory: the server's, that of a network which an application service bridges, or all of them. */
export type DirectoryName = 'server' | 'all' | { readonly network: string }

function listedIn(directory: DirectoryName): Sql {
  if (directory === 'server') return sql`published = 1`
  const listed = sql`SELECT room FROM network_rooms`
  if (directory === 'all') return sql`(published = 1 OR room IN (${listed}))`
  return sql`room IN (${listed} WHERE network = ${directory.network})`
}

export function publishedAfter(
  db: Database,
  directory: DirectoryName,
  place: DirectoryPlace,
  limit: number,
): Promise<RoomSummary[]> {
  return db.read(sql`SELECT ${SUMMARY_COLUMNS} FROM rooms WHERE ${listedIn(directory)} AND ${KNOWN}
    AND (joined_members, room) < (${place.members}, ${place.room})
    ORDER BY joined_members DESC, room DESC LIMIT ${limit}`)
}

/** The nearest to the place first. */
export function publishedBefore(
  db: Database,
  directory: DirectoryName,
  place: DirectoryPlace,
  limit: number,
): Promise<RoomSummary[]> {
  return db.read(sql`SELECT ${SUMMARY_COLUMNS} FROM rooms WHERE ${listedIn(directory)} AND ${KNOWN}
    AND (joined_members, room) > (${place.members}, ${place.room})
    ORDER BY joined_members, room LIMIT ${limit}`)
}

export async function countPublished(db: Database, directory: DirectoryName): Promise<number> {
  const rows = await db.read<{ rooms: number }>(
    sql`SELECT count(*) AS rooms FROM rooms WHERE ${listedIn(directory)} AND ${KNOWN}`,
  )
  return rows[0]?.rooms ?? 0
}

export function insertRoom(room: number, roomId: RoomId, version: string, createEvent: number, nowMs: number): Sql {
  return sql`INSERT INTO rooms (room, room_id, version, create_event, last_activity)
    VALUES (${room}, ${roomId}, ${version}, ${createEvent}, ${nowMs})`
}

export function roomIsNew(roomId: string): Guard {
  return { about: `room:${roomId}`, query: sql`SELECT room FROM rooms WHERE room_id = ${roomId}`, expect: [] }
}

/** The columns of `rooms` that repeat the current state, by the event type that sets them. */
const SUMMARY: ReadonlyMap<string, (room: number, value: string | null) => Sql> = new Map([
  ['m.room.name', (room, value) => sql`UPDATE rooms SET name = ${value} WHERE room = ${room}`],
  ['m.room.topic', (room, value) => sql`UPDATE rooms SET topic = ${value} WHERE room = ${room}`],
  ['m.room.avatar', (room, value) => sql`UPDATE rooms SET avatar_url = ${value} WHERE room = ${room}`],
  ['m.room.canonical_alias', (room, value) => sql`UPDATE rooms SET canonical_alias = ${value} WHERE room = ${room}`],
  ['m.room.encryption', (room, value) => sql`UPDATE rooms SET encryption = ${value} WHERE room = ${room}`],
  ['m.room.join_rules', (room, value) => sql`UPDATE rooms SET join_rule = ${value} WHERE room = ${room}`],
  ['m.room.guest_access', (room, value) => sql`UPDATE rooms SET guest_access = ${value} WHERE room = ${room}`],
  [
    'm.room.history_visibility',
    (room, value) => sql`UPDATE rooms SET history_visibility = ${value} WHERE room = ${room}`,
  ],
  ['m.room.create', (room, value) => sql`UPDATE rooms SET room_type = ${value} WHERE room = ${room}`],
])

/**
 * What keeps the room's summary in step with a state event of this type, has its old messages looked at, and ends the
 * peeks into a room that is open to everybody no more.
 */
export function updateSummary(room: number, type: string, value: string | null): Sql[] {
  const update = SUMMARY.get(type)
  if (type === RETENTION) return [retentionChanged(room)]
  const closes = type === 'm.room.history_visibility' && value !== 'world_readable'
  return [...(update === undefined ? [] : [update(room, value)]), ...(closes ? [endPeeksInto(room)] : [])]
}

export function addMembers(room: number, joined: number, invited: number): Sql {
  return sql`UPDATE rooms SET joined_members = joined_members + ${joined},
    invited_members = invited_members + ${invited} WHERE room = ${room}`
}

export function publishRoom(room: number, published: boolean): Sql {
  return sql`UPDATE rooms SET published = ${published ? 1 : 0} WHERE room = ${room}`
}

export function publishInNetwork(network: string, room: number, published: boolean): Sql {
  return published
    ? sql`INSERT INTO network_rooms (network, room) VALUES (${network}, ${room}) ON CONFLICT (network, room) DO NOTHING`
    : sql`DELETE FROM network_rooms WHERE network = ${network} AND room = ${room}`
}

export function insertAlias(alias: string, room: number, creator: string, nowMs: number): Sql {
  return sql`INSERT INTO aliases (alias, room, creator, created_ts) VALUES (${alias}, ${room}, ${creator}, ${nowMs})`
}

/** The row of an alias, and the guard that it still stands so. */
export async function aliasRow(
  db: Database,
  alias: string,
): Promise<{ readonly row: { room: number; creator: string } | undefined; readonly guard: Guard }> {
  const query = sql`SELECT room, creator FROM aliases WHERE alias = ${alias}`
  const rows = await db.read<{ room: number; creator: string }>(query)
  return { row: rows[0], guard: { about: `alias:${alias}`, query, expect: rows } }
}

export function aliasesOf(db: Database, room: number, limit: number): Promise<{ alias: string }[]> {
  return db.read(sql`SELECT alias FROM aliases WHERE room = ${room} ORDER BY created_ts, alias LIMIT ${limit}`)
}

export function deleteAlias(alias: string): Sql {
  return sql`DELETE FROM aliases WHERE alias = ${alias}`
}

/** The aliases of one room stand for another from now on. */
export function moveAliases(from: number, to: number): Sql {
  return sql`UPDATE aliases SET room = ${to} WHERE room = ${from}`
}

export function aliasIsFree(alias: string): Guard {
  return { about: `alias:${alias}`, query: sql`SELECT alias FROM aliases WHERE alias = ${alias}`, expect: [] }
}

/** The forward extremities, and the guard that they are still these. */
export interface HeadRow {
  readonly event: number
  readonly event_id: EventId
  readonly topo: number
  readonly depth: number
  /** The state after all heads. */
  readonly snapshot: number | null
}

export function headsOf(db: Database, room: number): Promise<HeadRow[]> {
  return db.read(sql`SELECT e.event, e.event_id, e.topo, e.depth, h.snapshot
    FROM heads h JOIN events e ON e.event = h.event
    WHERE h.room = ${room} ORDER BY e.event`)
}

export function headsAreStill(room: number, events: readonly number[]): Guard {
  return {
    about: `heads:${room}`,
    query: sql`SELECT event FROM heads WHERE room = ${room} ORDER BY event`,
    expect: [...events].sort((a, b) => a - b).map((event) => ({ event })),
  }
}

/** The ends of the room, each with the state after all of them, in place of those `before`. */
export function replaceHeads(
  room: number,
  before: readonly number[],
  heads: readonly number[],
  snapshot: number | null,
): Sql[] {
  // What nearly every message does.
  if (before.length === 1 && heads.length === 1)
    return [rowsOf(HEADS, sql`UPDATE heads SET event = ${heads[0]!}, snapshot = ${snapshot} WHERE room = ${room}`)]
  return [
    ...(before.length === 0 ? [] : [sql`DELETE FROM heads WHERE room = ${room}`]),
    ...heads.map((head) => sql`INSERT INTO heads (room, event, snapshot) VALUES (${room}, ${head}, ${snapshot})`),
  ]
}

const HEADS = { name: 'heads', columns: { event: 'bigint', snapshot: 'bigint', room: 'bigint' }, key: 'room' } as const
