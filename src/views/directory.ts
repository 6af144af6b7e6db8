import type { App } from '../app.ts'
import { isRoomAlias, isRoomId, isServerName, type ServerName, serverNameOf } from '../core/ids.ts'
import { own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { roomOfLocalAlias } from '../remote/appservice-queries.ts'
import { askServer, Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { membershipOf } from '../store/memberships.ts'
import { serversIn } from '../store/room-servers.ts'
import { aliasesOf, roomSummary } from '../store/rooms.ts'

/** Aliases listed of one room. */
export const MAX_ALIASES = 1_000

/** Servers named with an alias. */
const MAX_SERVERS = 50

export interface ResolvedAlias {
  readonly room_id: string
  readonly servers: ServerName[]
}

/** What an alias stands for. Errors: M_INVALID_PARAM when it is none, M_NOT_FOUND. */
export async function resolveAlias(app: App, alias: string): Promise<ResolvedAlias> {
  if (!isRoomAlias(alias)) throw new MatrixError('M_INVALID_PARAM', `${alias} is not a room alias.`)
  const server = serverNameOf(alias)
  if (server !== app.serverName) return remoteAlias(app, server, alias)
  const room = await roomOfLocalAlias(app, alias)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', `The alias ${alias} is not known.`)
  const others = (await serversIn(app.db, room.room)).filter((other) => other !== app.serverName)
  return { room_id: room.room_id, servers: [app.serverName, ...others].slice(0, MAX_SERVERS) }
}

/** Asks the server of the alias. Errors: M_NOT_FOUND, M_UNKNOWN (502) when it cannot be asked. */
async function remoteAlias(app: App, server: ServerName, alias: string): Promise<ResolvedAlias> {
  const uri = `/_matrix/federation/v1/query/directory?room_alias=${encodeURIComponent(alias)}`
  const answer = await askServer(app, server, { method: 'GET', uri }).catch((error: unknown) => {
    if (error instanceof Refused) throw new MatrixError('M_NOT_FOUND', `The alias ${alias} is not known.`)
    if (error instanceof Unreachable) throw new MatrixError('M_UNKNOWN', `${server} cannot be reached.`, {}, 502)
    throw error
  })
  const roomId = own(answer, 'room_id')
  const servers = own(answer, 'servers')
  if (typeof roomId !== 'string' || !isRoomId(roomId))
    throw new MatrixError('M_NOT_FOUND', `${server} does not say which room ${alias} is.`)
  const named = Array.isArray(servers) ? (servers as readonly unknown[]) : []
  const usable = named.filter((name): name is ServerName => typeof name === 'string' && isServerName(name))
  return { room_id: roomId, servers: [...new Set([server, ...usable])].slice(0, MAX_SERVERS) }
}

export interface ResolvedRoom {
  readonly roomId: string
  /** Servers that are likely in it. */
  readonly servers: readonly ServerName[]
}

/** A room that is named by id or by alias. Errors: M_INVALID_PARAM, M_NOT_FOUND. */
export async function resolveRoom(app: App, roomIdOrAlias: string): Promise<ResolvedRoom> {
  if (roomIdOrAlias.startsWith('#')) {
    const { room_id: roomId, servers } = await resolveAlias(app, roomIdOrAlias)
    return { roomId, servers }
  }
  if (!isRoomId(roomIdOrAlias)) throw new MatrixError('M_INVALID_PARAM', `${roomIdOrAlias} is no room id or alias.`)
  return { roomId: roomIdOrAlias, servers: [] }
}

/** The aliases of this server for a room, to members and where everybody may read. Errors: M_FORBIDDEN. */
export async function localAliases(app: App, userId: string, roomId: string): Promise<{ aliases: string[] }> {
  const room = await roomSummary(app.db, roomId)
  const membership = room && (await membershipOf(app.db, room.room, userId))
  if (room === undefined || (membership?.membership !== 'join' && room.history_visibility !== 'world_readable'))
    throw new MatrixError('M_FORBIDDEN', 'You are not in this room.')
  const rows = await aliasesOf(app.db, room.room, MAX_ALIASES)
  return { aliases: rows.map((row) => row.alias) }
}

/** Whether the directory lists the room. Errors: M_NOT_FOUND. */
export async function visibility(app: App, roomId: string): Promise<{ visibility: 'public' | 'private' }> {
  const room = await roomSummary(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  return { visibility: room.published === 1 ? 'public' : 'private' }
}
