import type { App } from '../../app.ts'
import { isRoomAlias, serverNameOf, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Appservice } from '../../live/appservices.ts'
import { membershipOf } from '../../store/memberships.ts'
import { aliasesOf, aliasIsFree, insertAlias, roomById } from '../../store/rooms.ts'
import { write } from '../write.ts'

/** Of this server, for one room. */
const MAX_ALIASES = 1_000

/** Who names a room; for an application service it counts what is in its namespaces, not who is in the room. */
export interface AliasMaker {
  readonly userId: UserId
  readonly appservice?: Appservice | undefined
}

/**
 * Gives a room one more alias of this server. Errors: M_INVALID_PARAM when it is none, M_NOT_FOUND for an unknown room,
 * M_FORBIDDEN unless the user is in it, M_EXCLUSIVE, M_UNKNOWN (409) when the alias is taken.
 */
export async function setAlias(app: App, maker: AliasMaker, alias: string, roomId: string): Promise<void> {
  const { userId, appservice } = maker
  if (!isRoomAlias(alias)) throw new MatrixError('M_INVALID_PARAM', `${alias} is not a room alias.`)
  if (serverNameOf(alias) !== app.serverName)
    throw new MatrixError('M_INVALID_PARAM', `Aliases made here end with :${app.serverName}.`)
  checkAliasNamespace(app, alias, appservice)
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  if (appservice === undefined) await checkMember(app, room.room, userId)
  if ((await aliasesOf(app.db, room.room, MAX_ALIASES)).length === MAX_ALIASES)
    throw new MatrixError('M_FORBIDDEN', `A room has at most ${MAX_ALIASES} aliases.`)
  const written = await write(app, {
    guards: [aliasIsFree(alias)],
    writes: [insertAlias(alias, room.room, userId, app.clock.now())],
    log: [{ kind: 'alias', subject: alias }],
  })
  if (written === undefined) throw new MatrixError('M_UNKNOWN', `The alias ${alias} is taken.`, {}, 409)
}

async function checkMember(app: App, room: number, userId: UserId): Promise<void> {
  if ((await membershipOf(app.db, room, userId))?.membership !== 'join')
    throw new MatrixError('M_FORBIDDEN', 'Only members of a room give it an alias.')
}

/**
 * Who has a namespace of aliases for itself has all in it, and no application service has others. Errors: M_EXCLUSIVE.
 */
export function checkAliasNamespace(app: App, alias: string, appservice: Appservice | undefined): void {
  const owner = app.appservices.ownerOfAlias(alias)
  if (owner !== undefined && owner !== appservice)
    throw new MatrixError('M_EXCLUSIVE', `${alias} belongs to an application service.`)
  if (appservice !== undefined && !appservice.hasAlias(alias))
    throw new MatrixError('M_EXCLUSIVE', `${alias} is not in a namespace of the application service.`)
}
