import type { ServerName } from '../core/ids.ts'
import type { Database } from '../db/database.ts'
import { perDialect, sql } from '../db/sql.ts'

const SERVER = perDialect({
  sqlite: "substr(user_id, instr(user_id, ':') + 1)",
  postgres: "substr(user_id, position(':' in user_id) + 1)",
})

/** The servers with users joined to the room, and how many each has. */
export function serversIn(db: Database, room: number): Promise<{ server: ServerName; members: number }[]> {
  return db.read(sql`SELECT ${SERVER} AS server, COUNT(*) AS members FROM memberships
    WHERE room = ${room} AND membership = 'join' GROUP BY 1 ORDER BY 2 DESC, 1`)
}

/** Whether a user of the server has one of these memberships in the room. */
export async function serverHasMember(
  db: Database,
  room: number,
  server: string,
  membership = 'join',
): Promise<boolean> {
  const rows = await db.read(sql`SELECT user_id FROM memberships
    WHERE room = ${room} AND membership = ${membership} AND ${SERVER} = ${server} LIMIT 1`)
  return rows.length > 0
}

/** Members of a server in the room, whatever their membership. */
export function membersOfServer(
  db: Database,
  room: number,
  server: string,
): Promise<{ user_id: string; membership: string }[]> {
  return db.read(sql`SELECT user_id, membership FROM memberships WHERE room = ${room} AND ${SERVER} = ${server}`)
}
