import type { App } from '../app.ts'
import { isRoomAlias, serverNameOf, type UserId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { membershipOf } from '../store/memberships.ts'
import { aliasesOf, aliasIsFree, insertAlias, roomById } from '../store/rooms.ts'
import { write } from './write.ts'

/** Of this server, for one room. */
const MAX_ALIASES = 1_000

/**
 * Gives a room one more alias of this server. Errors: M_INVALID_PARAM when it is none, M_NOT_FOUND for an unknown room,
 * M_FORBIDDEN unless the user is in it, M_UNKNOWN (409) when the alias is taken.
 */
export async function setAlias(app: App, userId: UserId, alias: string, roomId: string): Promise<void> {
  if (!isRoomAlias(alias)) throw new MatrixError('M_INVALID_PARAM', `${alias} is not a room alias.`)
  if (serverNameOf(alias) !== app.serverName)
    throw new MatrixError('M_INVALID_PARAM', `Aliases made here end with :${app.serverName}.`)
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const membership = await membershipOf(app.db, room.room, userId)
  if (membership?.membership !== 'join')
    throw new MatrixError('M_FORBIDDEN', 'Only members of a room give it an alias.')
  if ((await aliasesOf(app.db, room.room, MAX_ALIASES)).length === MAX_ALIASES)
    throw new MatrixError('M_FORBIDDEN', `A room has at most ${MAX_ALIASES} aliases.`)
  const written = await write(app, {
    guards: [aliasIsFree(alias)],
    writes: [insertAlias(alias, room.room, userId, app.clock.now())],
    log: [{ kind: 'alias', subject: alias }],
  })
  if (written === undefined) throw new MatrixError('M_UNKNOWN', `The alias ${alias} is taken.`, {}, 409)
}
