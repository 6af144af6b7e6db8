import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'
import { holding } from './admin-users.ts'

/** Another server as administrators see it. */
export interface ListedDestination {
  readonly server: string
  /** Everything up to here was sent; null: nothing was. */
  readonly position: number | null
  readonly failures: number
  /** Milliseconds since 1970 before which it is left alone; null: it answers. */
  readonly retry_at: number | null
}

export interface DestinationSearch {
  /** Part of the name. */
  readonly text: string
  readonly order: string
  readonly backwards: boolean
  readonly from: number
  readonly limit: number
}

/** What servers are sorted by; all others by their names. */
const ORDERS: ReadonlyMap<string, Sql> = new Map([
  ['retry_last_ts', sql`COALESCE(d.retry_at, 0)`],
  ['retry_interval', sql`COALESCE(d.failures, 0)`],
  ['failure_ts', sql`COALESCE(d.retry_at, 0)`],
  ['last_successful_stream_ordering', sql`COALESCE(d.position, 0)`],
])

const COLUMNS = sql`s.server, d.position, COALESCE(d.failures, 0) AS failures, d.retry_at`

/** Those that share a room with this one, and those that were sent something. */
function known(ourName: string): Sql {
  return sql`(SELECT server FROM destinations UNION SELECT server FROM room_servers WHERE server <> ${ourName}) s
    LEFT JOIN destinations d ON d.server = s.server`
}

export function listDestinations(
  db: Database,
  ourName: string,
  search: DestinationSearch,
): Promise<ListedDestination[]> {
  const order = ORDERS.get(search.order) ?? sql`s.server`
  const direction = search.backwards ? sql`DESC` : sql`ASC`
  return db.read(sql`SELECT ${COLUMNS} FROM ${known(ourName)}
    WHERE lower(s.server) LIKE ${holding(search.text)} ESCAPE '!'
    ORDER BY ${order} ${direction}, s.server ${direction} LIMIT ${search.limit} OFFSET ${search.from}`)
}

export async function countDestinations(db: Database, ourName: string, search: DestinationSearch): Promise<number> {
  const rows = await db.read<{ servers: number }>(sql`SELECT COUNT(*) AS servers FROM ${known(ourName)}
    WHERE lower(s.server) LIKE ${holding(search.text)} ESCAPE '!'`)
  return rows[0]?.servers ?? 0
}

export async function listedDestination(
  db: Database,
  ourName: string,
  server: string,
): Promise<ListedDestination | undefined> {
  const rows = await db.read<ListedDestination>(
    sql`SELECT ${COLUMNS} FROM ${known(ourName)} WHERE s.server = ${server}`,
  )
  return rows[0]
}

/** Rooms that the server is in with us now, with the newest position of ours in each. */
export function roomsOfDestination(
  db: Database,
  server: string,
  { from, limit, backwards }: Pick<DestinationSearch, 'from' | 'limit' | 'backwards'>,
): Promise<{ room_id: string; stream_ordering: number }[]> {
  return db.read(sql`SELECT r.room_id,
      COALESCE((SELECT MAX(e.position) FROM events e WHERE e.room = r.room), 0) AS stream_ordering
    FROM room_servers s JOIN rooms r ON r.room = s.room
    WHERE s.server = ${server} AND s.to_position IS NULL
    ORDER BY r.room_id ${backwards ? sql`DESC` : sql`ASC`} LIMIT ${limit} OFFSET ${from}`)
}

export async function countRoomsOfDestination(db: Database, server: string): Promise<number> {
  const rows = await db.read<{ rooms: number }>(
    sql`SELECT COUNT(*) AS rooms FROM room_servers WHERE server = ${server} AND to_position IS NULL`,
  )
  return rows[0]?.rooms ?? 0
}
