import { type Sql, sql } from '../db/sql.ts'

/** The membership is known from another server alone: this one is not in the room. */
export function outOfBand(room: number, userId: string): Sql {
  return sql`UPDATE memberships SET out_of_band = 1 WHERE room = ${room} AND user_id = ${userId}`
}
