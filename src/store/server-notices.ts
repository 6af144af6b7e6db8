import type { Database, Guard } from '../db/database.ts'
import { sql } from '../db/sql.ts'

/** The room in which the sender speaks to the user: the sender is in no other with them. */
export async function noticesRoom(
  db: Database,
  sender: string,
  userId: string,
): Promise<{ readonly room_id: string; readonly membership: string } | undefined> {
  const rows = await db.read<{ room_id: string; membership: string }>(sql`SELECT r.room_id, m.membership
    FROM memberships m JOIN memberships s ON s.room = m.room AND s.user_id = ${sender} AND s.membership = 'join'
    JOIN rooms r ON r.room = m.room WHERE m.user_id = ${userId} ORDER BY m.room LIMIT 1`)
  return rows[0]
}

/** Holds while the sender has no room with the user. */
export function noticesRoomIsNew(sender: string, userId: string): Guard {
  const query = sql`SELECT m.room FROM memberships m
    JOIN memberships s ON s.room = m.room AND s.user_id = ${sender} AND s.membership = 'join'
    WHERE m.user_id = ${userId} LIMIT 1`
  return { about: `notices:${userId}`, query, expect: [] }
}
