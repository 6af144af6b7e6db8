import type { LogPosition } from '../db/sql.ts'
import { intList, type Sql, sql, textList } from '../db/sql.ts'

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

/** Counts the members of the room afresh. */
export function countMembers(room: number): Sql {
  return sql`UPDATE rooms SET
    joined_members = (SELECT COUNT(*) FROM memberships WHERE room = ${room} AND membership = 'join'),
    invited_members = (SELECT COUNT(*) FROM memberships WHERE room = ${room} AND membership = 'invite')
    WHERE room = ${room}`
}

export function knowRoom(room: number, roomId: string, version: string, createEvent: number, nowMs: number): Sql {
  return sql`INSERT INTO rooms (room, room_id, version, create_event, last_activity)
    VALUES (${room}, ${roomId}, ${version}, ${createEvent}, ${nowMs})
    ON CONFLICT (room_id) DO UPDATE SET version = excluded.version, create_event = excluded.create_event`
}

/** A room that is known by an invite alone. */
export function knowRoomOutside(room: number, roomId: string, version: string | null): Sql {
  return sql`INSERT INTO rooms (room, room_id, version) VALUES (${room}, ${roomId}, ${version})
    ON CONFLICT (room_id) DO NOTHING`
}
