import type { ServerName } from '../core/ids.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import { serverAllowed } from '../core/server-acl.ts'
import type { Database } from '../db/database.ts'
import { currentAuthRows } from './state.ts'

/** Which servers the room's `m.room.server_acl` lets take part now. */
export async function serverAclOf(db: Database, room: number): Promise<(server: ServerName) => boolean> {
  const [acl] = await currentAuthRows(db, room, [['m.room.server_acl', '']])
  const content = acl === undefined ? undefined : (parseJson(acl.content) as JsonObject)
  return (server) => serverAllowed(content, server)
}
