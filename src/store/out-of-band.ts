import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** The membership is known from another server alone: this one is not in the room. */
export function outOfBand(room: number, userId: string): Sql {
  return sql`UPDATE memberships SET out_of_band = 1 WHERE room = ${room} AND user_id = ${userId}`
}

/** What another server made of a user of ours in a room that this one is not in. */
export interface OutsideMembership {
  readonly membership: string
  /** The event that ended it; null: the membership lasts. */
  readonly event: number | null
  readonly sender: string
  readonly position: number
  /** JSON text. */
  readonly stripped_state: string | null
}

export async function membershipOutside(
  db: Database,
  room: number,
  userId: string,
): Promise<OutsideMembership | undefined> {
  const rows = await db.read<OutsideMembership>(sql`SELECT membership, event, sender, position, stripped_state
    FROM memberships WHERE room = ${room} AND user_id = ${userId} AND out_of_band = 1`)
  return rows[0]
}
