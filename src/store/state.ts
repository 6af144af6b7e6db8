import type { EventId } from '../core/ids.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import { intList, type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import { AUTH_COLUMNS, type AuthRow } from './events.ts'

/** One link of the chain that makes a state: it holds what changed since its parent. */
export interface SnapshotLink {
  readonly snapshot: number
  readonly number: number
}

/** The snapshots that make the state at this one, newest first: at most one for each binary digit of `number`. */
export function snapshotChain(db: Database, snapshot: number): Promise<SnapshotLink[]> {
  return db.read(sql`WITH RECURSIVE chain (snapshot, number, parent) AS (
      SELECT snapshot, number, parent FROM snapshots WHERE snapshot = ${snapshot}
      UNION ALL SELECT s.snapshot, s.number, s.parent FROM snapshots s JOIN chain c ON s.snapshot = c.parent)
    SELECT snapshot, number FROM chain ORDER BY number DESC`)
}

/** Which state is wanted: `members` names the only member events, undefined means all. */
export interface StateWanted {
  readonly members: readonly string[] | undefined
  /** Whether anything but member events is wanted. */
  readonly others: boolean
}

const WHOLE_STATE: StateWanted = { members: undefined, others: true }

function isWanted(wanted: StateWanted): Sql {
  if (wanted.members === undefined) return wanted.others ? sql`1 = 1` : sql`type = 'm.room.member'`
  const named = sql`(type = 'm.room.member' AND state_key IN ${textList(wanted.members)})`
  return wanted.others ? sql`(type <> 'm.room.member' OR ${named})` : named
}

/**
 * The state of the room as the snapshot has it: the event of every (type, state_key) that is wanted. SQLite takes
 * CROSS JOIN by its word and begins with the chain: asked for members alone, it would read the changes of all rooms.
 */
export function stateAt(
  db: Database,
  snapshot: number,
  wanted = WHOLE_STATE,
): Promise<{ type: string; state_key: string; event: number }[]> {
  return db.read(sql`WITH RECURSIVE chain (snapshot, number, parent) AS (
      SELECT snapshot, number, parent FROM snapshots WHERE snapshot = ${snapshot}
      UNION ALL SELECT s.snapshot, s.number, s.parent FROM snapshots s JOIN chain c ON s.snapshot = c.parent)
    SELECT type, state_key, event FROM (
      SELECT c.type, c.state_key, c.event, ROW_NUMBER() OVER (PARTITION BY c.type,
        c.state_key ORDER BY n.number DESC) AS place
      FROM chain n CROSS JOIN snapshot_changes c WHERE c.snapshot = n.snapshot AND ${isWanted(wanted)}) AS numbered
    WHERE place = 1 AND event IS NOT NULL`)
}

/** A key of a state and the event that it has now; null: it has none any more. */
export interface StateChange {
  readonly type: string
  readonly stateKey: string
  readonly event: number | null
}

/**
 * The n-th change of a room hangs on the change n & (n−1), so that a chain has as many links as n has binary ones.
 * `chain` is that of the state before, newest first, and a step changes at least one key; the answer is the new chain
 * and the statements that store it.
 */
export function insertSnapshot(
  room: number,
  snapshot: number,
  chain: readonly SnapshotLink[],
  changes: readonly StateChange[],
): { chain: SnapshotLink[]; writes: Sql[] } {
  const number = (chain[0]?.number ?? 0) + 1
  const parentNumber = number & (number - 1)
  const merged = chain.filter((link) => link.number > parentNumber)
  const kept = chain.filter((link) => link.number <= parentNumber)
  const writes = [
    sql`INSERT INTO snapshots (snapshot, room, number, parent) VALUES (${snapshot}, ${room}, ${number},
      ${kept[0]?.snapshot ?? null})`,
    ...changes.map(
      ({ type, stateKey, event }) => sql`INSERT INTO snapshot_changes (snapshot, type, state_key, event)
        VALUES (${snapshot}, ${type}, ${stateKey}, ${event})`,
    ),
  ]
  if (merged.length > 0)
    writes.push(
      mergeChanges(
        snapshot,
        merged.map((link) => link.snapshot),
      ),
    )
  return { chain: [{ snapshot, number }, ...kept], writes }
}

/** What the merged links changed and this one does not. */
function mergeChanges(snapshot: number, from: readonly number[]): Sql {
  return sql`INSERT INTO snapshot_changes (snapshot, type, state_key, event)
    SELECT ${snapshot}, type, state_key, event FROM (
      SELECT c.type, c.state_key, c.event, ROW_NUMBER() OVER (PARTITION BY c.type,
        c.state_key ORDER BY s.number DESC) AS place
      FROM snapshot_changes c JOIN snapshots s ON s.snapshot = c.snapshot
        WHERE c.snapshot IN ${intList(from)}) AS numbered
    WHERE place = 1 ON CONFLICT (snapshot, type, state_key) DO NOTHING`
}

/** Puts the event into the current state, or takes the key out of it, and tells of the change. */
export function changeState(
  room: number,
  { type, stateKey, event }: StateChange,
  previous: number | null,
  position: LogPosition,
): Sql[] {
  const change =
    event === null
      ? sql`DELETE FROM current_state WHERE room = ${room} AND type = ${type} AND state_key = ${stateKey}`
      : sql`INSERT INTO current_state (room, type, state_key, event) VALUES (${room}, ${type}, ${stateKey}, ${event})
          ON CONFLICT (room, type, state_key) DO UPDATE SET event = excluded.event`
  return [
    change,
    sql`INSERT INTO state_changes (position, room, type, state_key, event, previous)
      VALUES (${position}, ${room}, ${type}, ${stateKey}, ${event}, ${previous})`,
  ]
}

/** The state at the snapshot with the ids of its events, as state resolution compares them. */
export function stateIdsAt(db: Database, snapshot: number): Promise<StateIdRow[]> {
  return db.read(sql`WITH RECURSIVE chain (snapshot, number, parent) AS (
      SELECT snapshot, number, parent FROM snapshots WHERE snapshot = ${snapshot}
      UNION ALL SELECT s.snapshot, s.number, s.parent FROM snapshots s JOIN chain c ON s.snapshot = c.parent)
    SELECT n.type, n.state_key, n.event, e.event_id FROM (
      SELECT c.type, c.state_key, c.event, ROW_NUMBER() OVER (PARTITION BY c.type,
        c.state_key ORDER BY n.number DESC) AS place
      FROM chain n JOIN snapshot_changes c ON c.snapshot = n.snapshot) AS n
      JOIN events e ON e.event = n.event
    WHERE n.place = 1`)
}

export interface StateIdRow {
  readonly type: string
  readonly state_key: string
  readonly event: number
  readonly event_id: EventId
}

/** The current state events under these keys, as the rules read them. */
export async function currentAuthRows(
  db: Database,
  room: number,
  keys: readonly (readonly [string, string])[],
): Promise<AuthRow[]> {
  const found: AuthRow[] = []
  for (const [type, stateKey] of keys) {
    const rows =
      await db.read<AuthRow>(sql`SELECT ${AUTH_COLUMNS} FROM current_state c JOIN events e ON e.event = c.event
      WHERE c.room = ${room} AND c.type = ${type} AND c.state_key = ${stateKey}`)
    found.push(...rows)
  }
  return found
}

/** Numbers of the events of the current state; with `type`, of that type alone. */
export function currentState(
  db: Database,
  room: number,
  type?: string,
): Promise<{ type: string; state_key: string; event: number }[]> {
  return type === undefined
    ? db.read(sql`SELECT type, state_key, event FROM current_state WHERE room = ${room}`)
    : db.read(sql`SELECT type, state_key, event FROM current_state WHERE room = ${room} AND type = ${type}`)
}

/** The same, of the part that is wanted. */
export function currentStateWanted(
  db: Database,
  room: number,
  wanted: StateWanted,
): Promise<{ type: string; state_key: string; event: number }[]> {
  return db.read(sql`SELECT type, state_key, event FROM current_state WHERE room = ${room} AND ${isWanted(wanted)}`)
}

/** Those of the events that are the state of their rooms now, of rooms that the user is in or that anybody may read. */
export async function currentAmong(db: Database, userId: string, events: readonly number[]): Promise<number[]> {
  const rows = await db.read<{ event: number }>(sql`SELECT c.event FROM events e
    JOIN current_state c ON c.room = e.room AND c.type = e.type AND c.state_key = e.state_key AND c.event = e.event
    JOIN rooms r ON r.room = e.room
    LEFT JOIN memberships m ON m.room = e.room AND m.user_id = ${userId}
    WHERE e.event IN ${intList(events)} AND (m.membership = 'join' OR r.history_visibility = 'world_readable')`)
  return rows.map((row) => row.event)
}

export async function currentStateEvent(
  db: Database,
  room: number,
  type: string,
  stateKey: string,
): Promise<number | undefined> {
  const rows = await db.read<{ event: number }>(sql`SELECT event FROM current_state
    WHERE room = ${room} AND type = ${type} AND state_key = ${stateKey}`)
  return rows[0]?.event
}

/** The content of a piece of the current state, or undefined when the room has none. */
export async function currentContent(
  db: Database,
  roomId: string,
  type: string,
  stateKey: string,
): Promise<JsonObject | undefined> {
  const rows = await db.read<{ content: string }>(sql`SELECT e.content FROM rooms r
    JOIN current_state c ON c.room = r.room JOIN events e ON e.event = c.event
    WHERE r.room_id = ${roomId} AND c.type = ${type} AND c.state_key = ${stateKey}`)
  return rows[0] && (parseJson(rows[0].content) as JsonObject)
}

/** The content of a piece of the current state of each of the rooms that has it, under the empty state key. */
export async function contentsOf(
  db: Database,
  rooms: readonly number[],
  type: string,
): Promise<Map<number, JsonObject>> {
  const rows = await db.read<{ room: number; content: string }>(sql`SELECT c.room, e.content
    FROM current_state c JOIN events e ON e.event = c.event
    WHERE c.room IN ${intList(rooms)} AND c.type = ${type} AND c.state_key = ''`)
  return new Map(rows.map((row) => [row.room, parseJson(row.content) as JsonObject]))
}

export interface SpaceChildRow {
  readonly state_key: string
  readonly sender: string
  readonly origin_server_ts: number
  readonly content: string
}

/** The `m.space.child` events of a space, oldest first. */
export function spaceChildren(db: Database, room: number, limit: number): Promise<SpaceChildRow[]> {
  return db.read(sql`SELECT c.state_key, e.sender, e.origin_server_ts, e.content
    FROM current_state c JOIN events e ON e.event = c.event
    WHERE c.room = ${room} AND c.type = 'm.space.child' ORDER BY c.event LIMIT ${limit}`)
}

/** The last change of each key of the room's state with a position in (since, before). */
export function stateChangesBetween(
  db: Database,
  room: number,
  since: number,
  before: number,
): Promise<{ type: string; state_key: string; event: number | null }[]> {
  return db.read(sql`SELECT type, state_key, event FROM (
      SELECT type, state_key, event, ROW_NUMBER() OVER (PARTITION BY type, state_key ORDER BY position DESC) AS place
      FROM state_changes WHERE room = ${room} AND position > ${since} AND position < ${before}) AS numbered
    WHERE place = 1`)
}

/** Whether the room was open to everybody at the position or at any time since. */
export async function wasWorldReadableAfter(db: Database, room: number, position: number): Promise<boolean> {
  const rows = await db.read(sql`SELECT 1 AS one FROM state_changes c JOIN events e ON e.event = c.event
    WHERE c.room = ${room} AND c.type = 'm.room.history_visibility' AND e.content LIKE '%world_readable%'
      AND (c.position > ${position} OR c.position = (SELECT MAX(x.position) FROM state_changes x
        WHERE x.room = ${room} AND x.type = 'm.room.history_visibility' AND x.position <= ${position})) LIMIT 1`)
  return rows.length > 0
}
