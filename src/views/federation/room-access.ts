import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type RoomVersion, roomVersion } from '../../core/room-version.ts'
import { membersOfRoom } from '../../live/room-members.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { type RoomRow, roomById } from '../../store/rooms.ts'
import { serverAclOf } from '../../store/server-acl.ts'

/** How long another server waits for the members of a room that we have just joined. */
const PATIENCE_MS = 5_000

/** A room of which this server holds history. */
export interface KnownRoom {
  readonly row: RoomRow
  readonly version: RoomVersion
}

/**
 * The room, open to the server by its access list, all members known here. Errors: M_NOT_FOUND, M_FORBIDDEN,
 * RoomIncomplete when they do not come in a moment: another server had better be asked, or we a little later.
 */
export async function roomForServer(app: App, roomId: string, server: ServerName): Promise<KnownRoom> {
  const known = await openRoom(app, roomId, server)
  if (!(await serverIsIn(app.db, known.row.room, app.serverName))) throw notHere()
  return whole(app, known)
}

async function whole(app: App, known: KnownRoom): Promise<KnownRoom> {
  if (known.row.partial_state === 1) await membersOfRoom(app, known.row.room, PATIENCE_MS)
  return known
}

const notHere = () => new MatrixError('M_NOT_FOUND', 'This server is not in the room.')

async function openRoom(app: App, roomId: string, server: ServerName): Promise<KnownRoom> {
  const row = await roomById(app.db, roomId)
  const version = row?.version == null ? undefined : roomVersion(row.version)
  if (row === undefined || version === undefined) throw notHere()
  await checkServerAcl(app, row.room, server)
  return { row, version }
}

/**
 * A room, open to the server, that has users of it. This server may have left it: what its users said before rests on
 * what it alone may have. Some of the members may be unknown here. Errors: M_NOT_FOUND, M_FORBIDDEN.
 */
export async function roomOfServer(app: App, roomId: string, server: ServerName): Promise<KnownRoom> {
  const known = await openRoom(app, roomId, server)
  if (!(await serverIsIn(app.db, known.row.room, server)))
    throw new MatrixError('M_FORBIDDEN', `${server} is not in the room.`)
  return known
}

/** The same, all members known here. Errors: those of both. */
export async function wholeRoomOfServer(app: App, roomId: string, server: ServerName): Promise<KnownRoom> {
  return whole(app, await roomOfServer(app, roomId, server))
}

/** Errors: M_FORBIDDEN for a server that the room's `m.room.server_acl` keeps out. */
export async function checkServerAcl(app: App, room: number, server: ServerName): Promise<void> {
  const allows = await serverAclOf(app.db, room)
  if (!allows(server)) throw new MatrixError('M_FORBIDDEN', `The room is closed to ${server}.`)
}
