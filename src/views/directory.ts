import type { App } from '../app.ts'
import { isRoomAlias, isRoomId, serverNameOf } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { membershipOf } from '../store/memberships.ts'
import { aliasesOf, roomByAlias, roomSummary } from '../store/rooms.ts'

/** Aliases listed of one room. */
export const MAX_ALIASES = 1_000

/** What an alias stands for. Errors: M_INVALID_PARAM when it is none, M_NOT_FOUND. */
export async function resolveAlias(app: App, alias: string): Promise<{ room_id: string; servers: string[] }> {
  if (!isRoomAlias(alias)) throw new MatrixError('M_INVALID_PARAM', `${alias} is not a room alias.`)
  const room = serverNameOf(alias) === app.serverName ? await roomByAlias(app.db, alias) : undefined
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', `The alias ${alias} is not known.`)
  return { room_id: room.room_id, servers: [app.serverName] }
}

/** The id of a room that is named by id or by alias. Errors: M_INVALID_PARAM, M_NOT_FOUND. */
export async function resolveRoom(app: App, roomIdOrAlias: string): Promise<string> {
  if (roomIdOrAlias.startsWith('#')) return (await resolveAlias(app, roomIdOrAlias)).room_id
  if (!isRoomId(roomIdOrAlias)) throw new MatrixError('M_INVALID_PARAM', `${roomIdOrAlias} is no room id or alias.`)
  return roomIdOrAlias
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
