import type { Database, Guard } from '../db/database.ts'
import { type Row, type Sql, sql } from '../db/sql.ts'

/** Who carries the log onwards under a name. Null: nobody does. */
export interface LeaseRow {
  readonly holder: string | null
  /** Grows with every holder. */
  readonly epoch: number
  /** Milliseconds since 1970 by the holder's clock: others only look whether it changes. */
  readonly lease_until: number | null
}

const rowQuery = (name: string) => sql`SELECT holder, epoch, lease_until FROM cursors WHERE name = ${name}`

/** The lease, undefined if nobody ever held it, and the guard that it still stands so. */
export async function leaseRow(
  db: Database,
  name: string,
): Promise<{ readonly row: LeaseRow | undefined; readonly guard: Guard }> {
  const query = rowQuery(name)
  const rows = await db.read<LeaseRow & Row>(query)
  return { row: rows[0], guard: { about: `lease:${name}`, query, expect: rows } }
}

/** Holds while no other process took the lease since. `about` tells uses apart that may stand in one group. */
export function epochIsStill(name: string, epoch: number, about: string): Guard {
  return { about, query: sql`SELECT epoch FROM cursors WHERE name = ${name}`, expect: [{ epoch }] }
}

export function takeLease(name: string, holder: string, epoch: number, until: number): Sql {
  return sql`INSERT INTO cursors (name, position, holder, epoch, lease_until)
    VALUES (${name}, 0, ${holder}, ${epoch}, ${until})
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch,
      lease_until = excluded.lease_until`
}

export function renewLease(name: string, until: number): Sql {
  return sql`UPDATE cursors SET lease_until = ${until} WHERE name = ${name}`
}

export function freeLease(name: string): Sql {
  return sql`UPDATE cursors SET holder = NULL, lease_until = NULL WHERE name = ${name}`
}
