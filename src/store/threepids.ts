import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/** An address outside of Matrix, in its canonical form. */
export interface Threepid {
  readonly medium: string
  readonly address: string
}

export interface ThreepidRow extends Threepid {
  readonly validated_ts: number
  readonly added_ts: number
}

export async function threepidsOf(db: Database, userId: string): Promise<ThreepidRow[]> {
  return db.read<ThreepidRow>(sql`SELECT medium, address, validated_ts, added_ts FROM threepids
    WHERE user_id = ${userId} ORDER BY added_ts, medium, address`)
}

/** The user whose address it is. */
export async function threepidOwner(db: Database, threepid: Threepid): Promise<string | undefined> {
  const rows = await db.read<{ user_id: string }>(ownerOf(threepid))
  return rows[0]?.user_id
}

/** Holds while the address is that user's; null: nobody's. */
export function threepidIsOf(threepid: Threepid, userId: string | null): Guard {
  const expect = userId === null ? [] : [{ user_id: userId }]
  return { about: `threepid:${threepid.medium}:${threepid.address}`, query: ownerOf(threepid), expect }
}

/** The primary key decides whose it is: an address has one account. */
export function insertThreepid({ medium, address }: Threepid, userId: string, validatedMs: number, nowMs: number): Sql {
  return sql`INSERT INTO threepids (medium, address, user_id, validated_ts, added_ts)
    VALUES (${medium}, ${address}, ${userId}, ${validatedMs}, ${nowMs})`
}

export function deleteThreepid({ medium, address }: Threepid, userId: string): Sql {
  return sql`DELETE FROM threepids WHERE medium = ${medium} AND address = ${address} AND user_id = ${userId}`
}

export function deleteThreepidsOf(userId: string): Sql {
  return sql`DELETE FROM threepids WHERE user_id = ${userId}`
}

function ownerOf({ medium, address }: Threepid): Sql {
  return sql`SELECT user_id FROM threepids WHERE medium = ${medium} AND address = ${address}`
}
