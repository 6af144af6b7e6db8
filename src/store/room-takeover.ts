import type { EventId, RoomId, ServerName } from '../core/ids.ts'
import type { Database, Guard } from '../db/database.ts'
import type { LogPosition } from '../db/sql.ts'
import { intList, type Sql, sql, textList } from '../db/sql.ts'
import { retentionTakenOver } from './lifetimes.ts'
import { dropNote, note, noted } from './meta.ts'
import { serverOf } from './server-of.ts'

/**
 * The change number of a state that came whole from another server: what follows it hangs on it, so that its many keys
 * are never copied.
 */
export const WHOLE_STATE_NUMBER = 2 ** 30

/**
 * Makes these stored events the state of the room, current and as a snapshot, in place of whatever it had. What the
 * membership of `joining` changes to is told by the join itself.
 */
export function takeOverState(
  room: number,
  snapshot: number,
  events: readonly number[],
  joining: string,
  position: LogPosition,
): Sql[] {
  return [
    sql`INSERT INTO snapshots (snapshot, room, number, parent)
      VALUES (${snapshot}, ${room}, ${WHOLE_STATE_NUMBER}, NULL)`,
    sql`INSERT INTO snapshot_changes (snapshot, type, state_key, event)
      SELECT ${snapshot}, type, state_key, event FROM events WHERE event IN ${intList(events)}`,
    sql`DELETE FROM current_state WHERE room = ${room}`,
    sql`INSERT INTO current_state (room, type, state_key, event)
      SELECT room, type, state_key, event FROM events WHERE event IN ${intList(events)}`,
    sql`INSERT INTO state_changes (position, room, type, state_key, event, previous)
      SELECT ${position}, room, type, state_key, event, NULL FROM events WHERE event IN ${intList(events)}
      AND NOT (type = 'm.room.member' AND state_key = ${joining})`,
    retentionTakenOver(room),
  ]
}

/** Members whom the state does not name any more are gone. */
export function membersGone(room: number, remaining: readonly string[], position: LogPosition): Sql[] {
  const gone = sql`room = ${room} AND membership IN ('join', 'invite', 'knock')
    AND user_id NOT IN ${textList(remaining)}`
  return [
    sql`INSERT INTO membership_history (room, user_id, position, membership, event)
      SELECT room, user_id, ${position}, 'leave', NULL FROM memberships WHERE ${gone}`,
    sql`UPDATE memberships SET membership = 'leave', event = NULL, position = ${position} WHERE ${gone}`,
  ]
}

/** Servers other than the remaining ones are in the room no more. */
export function serversGone(room: number, remaining: readonly string[], position: LogPosition): Sql {
  return sql`UPDATE room_servers SET to_position = ${position}
    WHERE room = ${room} AND to_position IS NULL AND server NOT IN ${textList(remaining)}`
}

/** A state that came without most of its members. */
export interface WholeState {
  readonly snapshot: number
  /** Our join, which came with it. */
  readonly join: EventId
  /** Whose membership is known. */
  readonly members: ReadonlySet<string>
}

/** The last state of the room that came from another server; undefined: there is none. */
export async function wholeStateOf(db: Database, room: number): Promise<WholeState | undefined> {
  const [found] = await db.read<LastTold>(lastTold(room))
  if (found === undefined) return undefined
  const rows = await db.read<{ state_key: string }>(
    sql`SELECT state_key FROM current_state WHERE room = ${room} AND type = 'm.room.member'`,
  )
  return { snapshot: found.snapshot, join: found.event_id, members: new Set(rows.map((row) => row.state_key)) }
}

type LastTold = Pick<WholeState, 'snapshot'> & { readonly event_id: EventId }

/** `and`: a further condition. */
function lastTold(room: number, and = sql`1 = 1`): Sql {
  return sql`SELECT s.snapshot, e.event_id
    FROM snapshots s JOIN events e ON e.snapshot = s.snapshot AND e.room = s.room AND e.type = 'm.room.member'
    WHERE s.room = ${room} AND s.number = ${WHOLE_STATE_NUMBER} AND e.position IS NOT NULL AND ${and}
    ORDER BY e.position DESC LIMIT 1`
}

/** Holds while this is the state that the room's members are to come into, and they have not all come. */
export function membersAreComing(room: number, state: WholeState | undefined): Guard {
  const partial = sql`EXISTS (SELECT 1 FROM rooms WHERE room = ${room} AND partial_state = 1)`
  return state === undefined
    ? { about: `members:${room}`, query: sql`SELECT 1 AS lacking WHERE ${partial}`, expect: [{ lacking: 1 }] }
    : {
        about: `members:${room}`,
        query: lastTold(room, partial),
        expect: [{ snapshot: state.snapshot, event_id: state.join }],
      }
}

/** Who let this server into a room without its members, and when: milliseconds since 1970. */
export interface Resident {
  readonly server: ServerName
  readonly since: number
}

const residentKey = (room: number) => `resident:${room}`

export async function residentOf(db: Database, room: number): Promise<Resident | undefined> {
  const text = await noted(db, residentKey(room))
  return text === undefined ? undefined : (JSON.parse(text) as Resident)
}

export function noteResident(room: number, resident: Resident): Sql {
  return note(residentKey(room), JSON.stringify(resident))
}

export function forgetResident(room: number): Sql {
  return dropNote(residentKey(room))
}

/** Adds stored state events to a state that lacked them, below all that changed since. */
export function addToWholeState(room: number, snapshot: number, events: readonly number[]): Sql[] {
  return [
    sql`INSERT INTO snapshot_changes (snapshot, type, state_key, event)
      SELECT ${snapshot}, type, state_key, event FROM events WHERE event IN ${intList(events)}
      ON CONFLICT (snapshot, type, state_key) DO NOTHING`,
    sql`INSERT INTO current_state (room, type, state_key, event)
      SELECT ${room}, type, state_key, event FROM events WHERE event IN ${intList(events)}
      ON CONFLICT (room, type, state_key) DO NOTHING`,
  ]
}

/** Whether members were added to the state that came with our join: after it, by events that have no position. */
export async function membersWereAdded(db: Database, room: number, join: EventId): Promise<boolean> {
  const rows = await db.read(sql`SELECT 1 AS added FROM memberships m JOIN events e ON e.event = m.event
    WHERE m.room = ${room} AND e.position IS NULL
      AND m.position > (SELECT position FROM events WHERE event_id = ${join}) LIMIT 1`)
  return rows.length > 0
}

/** Servers that have members in the room. */
export async function joinedServers(db: Database, room: number): Promise<ServerName[]> {
  const rows = await db.read<{ server: ServerName }>(
    sql`SELECT DISTINCT ${serverOf('user_id')} AS server FROM memberships WHERE room = ${room} AND membership = 'join'`,
  )
  return rows.map((row) => row.server)
}

export function membersAreKnown(room: number): Sql {
  return sql`UPDATE rooms SET partial_state = 0 WHERE room = ${room}`
}

/** Rooms that were joined without their members, and still lack some. */
export async function partialRooms(db: Database): Promise<RoomId[]> {
  const rows = await db.read<{ room_id: RoomId }>(
    sql`SELECT room_id FROM rooms WHERE partial_state = 1 ORDER BY room LIMIT ${PARTIAL_ROOMS_MAX}`,
  )
  return rows.map((row) => row.room_id)
}

/** Looked at together; the others come to their turn after these. */
const PARTIAL_ROOMS_MAX = 1_000

/** Counts the members of the room afresh. */
export function countMembers(room: number): Sql {
  return sql`UPDATE rooms SET
    joined_members = (SELECT COUNT(*) FROM memberships WHERE room = ${room} AND membership = 'join'),
    invited_members = (SELECT COUNT(*) FROM memberships WHERE room = ${room} AND membership = 'invite')
    WHERE room = ${room}`
}

/** `partial`: most members are still to come. */
export function knowRoom(
  room: { readonly room: number; readonly roomId: string; readonly version: string; readonly partial: boolean },
  createEvent: number,
  nowMs: number,
): Sql {
  return sql`INSERT INTO rooms (room, room_id, version, create_event, partial_state, last_activity)
    VALUES (${room.room}, ${room.roomId}, ${room.version}, ${createEvent}, ${room.partial ? 1 : 0}, ${nowMs})
    ON CONFLICT (room_id) DO UPDATE SET version = excluded.version, create_event = excluded.create_event,
      partial_state = excluded.partial_state`
}

/** A room that is known by an invite alone. */
export function knowRoomOutside(room: number, roomId: string, version: string | null): Sql {
  return sql`INSERT INTO rooms (room, room_id, version) VALUES (${room}, ${roomId}, ${version})
    ON CONFLICT (room_id) DO NOTHING`
}
