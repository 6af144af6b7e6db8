import type { Database } from '../db/database.ts'
import { intList, sql, textList } from '../db/sql.ts'
import type { RoomOfUser } from './memberships.ts'

/** A room as lists of sliding syncs sort and filter it. */
export interface SlidingRoom extends RoomOfUser {
  readonly avatar_url: string | null
  readonly room_type: string | null
  readonly encryption: string | null
  /** The position of its newest event; of the user's step where they are not in. */
  readonly activity: number
}

/**
 * Rooms that the user is in, invited to or knocks on, those that others have put them out of, and those left after the
 * position: the newest activity first.
 */
export function slidingRooms(db: Database, userId: string, leftAfter: number, to: number): Promise<SlidingRoom[]> {
  return db.read(sql`SELECT m.room, r.room_id, r.version, m.membership, m.event, m.sender, m.position,
      m.stripped_state, m.displayname, r.name, r.canonical_alias, r.joined_members, r.invited_members, r.avatar_url,
      r.room_type, r.encryption,
      CASE WHEN m.membership = 'join' THEN COALESCE((SELECT MAX(e.position) FROM events e
        WHERE e.room = m.room AND e.position <= ${to}), m.position) ELSE m.position END AS activity
    FROM memberships m JOIN rooms r ON r.room = m.room
    WHERE m.user_id = ${userId} AND m.forgotten = 0
      AND (m.membership IN ('join', 'invite', 'knock') OR m.position > ${leftAfter}
        OR (m.sender <> m.user_id AND EXISTS (SELECT 1 FROM membership_history h
          WHERE h.room = m.room AND h.user_id = m.user_id AND h.membership = 'join')))
    ORDER BY activity DESC, m.room DESC`)
}

/** MSC4186, `bump_stamp`: what makes a room come up in a list. */
const BUMPS = [
  'm.room.create',
  'm.room.message',
  'm.room.encrypted',
  'm.sticker',
  'm.call.invite',
  'm.poll.start',
  'org.matrix.msc3381.poll.start',
  'm.beacon_info',
]

/** The position of the newest event of each room that makes it come up; of rooms without one, none. */
export function bumpStamps(
  db: Database,
  rooms: readonly number[],
  to: number,
): Promise<{ room: number; position: number | null }[]> {
  return db.read(sql`SELECT r.room, (SELECT e.position FROM events e WHERE e.room = r.room AND e.position <= ${to}
      AND e.type IN ${textList(BUMPS)} AND e.rejected = 0 AND e.soft_failed = 0 AND e.outlier = 0
      ORDER BY e.position DESC LIMIT 1) AS position
    FROM rooms r WHERE r.room IN ${intList(rooms)}`)
}

/** The tags of the user's rooms: contents as JSON text. */
export function tagsOf(db: Database, userId: string): Promise<{ room_id: string; content: string }[]> {
  return db.read(sql`SELECT room_id, content FROM account_data WHERE user_id = ${userId} AND type = 'm.tag'`)
}
