import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import type { Threepid } from './threepids.ts'

export interface ThreepidBinding extends Threepid {
  readonly id_server: string
}

/** Where the user's addresses are published, or that one of them. */
export async function bindingsOf(db: Database, userId: string, threepid?: Threepid): Promise<ThreepidBinding[]> {
  const rows = await db.read<ThreepidBinding>(sql`SELECT medium, address, id_server FROM threepid_bindings
    WHERE user_id = ${userId} ORDER BY medium, address, id_server`)
  if (threepid === undefined) return rows
  return rows.filter(({ medium, address }) => medium === threepid.medium && address === threepid.address)
}

export function insertBinding(userId: string, { medium, address, id_server }: ThreepidBinding): Sql {
  return sql`INSERT INTO threepid_bindings (user_id, medium, address, id_server)
    VALUES (${userId}, ${medium}, ${address}, ${id_server}) ON CONFLICT DO NOTHING`
}

export function deleteBinding(userId: string, { medium, address, id_server }: ThreepidBinding): Sql {
  return sql`DELETE FROM threepid_bindings WHERE user_id = ${userId} AND medium = ${medium} AND address = ${address}
    AND id_server = ${id_server}`
}
