import type { Database } from '../db/database.ts'
import { sql } from '../db/sql.ts'

interface ContentRow {
  readonly topo: number
  readonly event: number
  /** JSON; null where it names no file. */
  readonly content: string | null
  /** The same of what it was before it was redacted. */
  readonly original: string | null
}

/** The contents of events of a room that may name files, in the order of its history, one row for each event. */
export function contentsOf(
  db: Database,
  room: number,
  after: { readonly topo: number; readonly event: number },
  limit: number,
): Promise<ContentRow[]> {
  return db.read(sql`SELECT e.topo, e.event,
      CASE WHEN e.content LIKE '%mxc://%' THEN e.content END AS content,
      CASE WHEN o.content LIKE '%mxc://%' THEN o.content END AS original
    FROM events e LEFT JOIN redacted_originals o ON o.event = e.event
    WHERE e.room = ${room} AND (e.topo, e.event) > (${after.topo}, ${after.event})
    ORDER BY e.topo, e.event LIMIT ${limit}`)
}
