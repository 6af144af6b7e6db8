import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { blockRoom, deleteAliasesOf, localUsersOf } from '../../store/admin-rooms.ts'
import { aliasesOf, publishRoom, roomById } from '../../store/rooms.ts'
import { leave } from '../memberships/leave.ts'
import { write } from '../write.ts'

/** Users read at once. */
const PAGE = 100
const ALIASES_MAX = 10_000

export interface RoomEvacuation {
  readonly left: readonly UserId[]
  readonly failed: readonly UserId[]
}

/**
 * Takes every user of this server out of a room, and back their invites and knocks. One who cannot leave does not keep
 * the others. Errors: M_NOT_FOUND.
 */
export async function evacuateRoom(app: App, roomId: string, reason?: string): Promise<RoomEvacuation> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const left: UserId[] = []
  const failed: UserId[] = []
  for (let after = ''; ; ) {
    const users = await localUsersOf(app.db, room.room, app.serverName, after, PAGE)
    for (const { user_id: id } of users) {
      after = id
      const user = id as UserId
      try {
        await leave(app, { roomId, sender: user, target: user, reason })
        left.push(user)
      } catch (error) {
        app.log.warn({ err: error, room: roomId, user }, 'a user could not be taken out of a room')
        failed.push(user)
      }
    }
    if (users.length < PAGE) return { left, failed }
  }
}

export interface RoomEnding {
  readonly block: boolean
  readonly message?: string | undefined
}

/** What the administration API of Synapse says of a room that was ended. */
export interface EndedRoom {
  readonly kicked_users: readonly UserId[]
  readonly failed_to_kick_users: readonly UserId[]
  readonly local_aliases: readonly string[]
  readonly new_room_id: null
}

/**
 * Ends a room for the users of this server: all leave, it is in no directory, has no alias here and, if wanted, is
 * blocked. Its history stays. Done again, it finishes what was interrupted. Errors: M_NOT_FOUND.
 */
export async function endRoom(app: App, roomId: string, { block, message }: RoomEnding): Promise<EndedRoom> {
  const { left, failed } = await evacuateRoom(app, roomId, message)
  const aliases = await unlistRoom(app, roomId)
  if (block) await setBlocked(app, roomId, true)
  return { kicked_users: left, failed_to_kick_users: failed, local_aliases: aliases, new_room_id: null }
}

/** Lets nobody do anything in the room any more, or lets them again. Errors: M_NOT_FOUND. */
export async function setBlocked(app: App, roomId: string, blocked: boolean): Promise<void> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const log = [{ kind: 'directory', subject: roomId }]
  await write(app, { guards: [], writes: [blockRoom(room.room, blocked)], log })
}

/** Takes the room out of the directory, and its aliases away. Resolves with those. Errors: M_NOT_FOUND. */
async function unlistRoom(app: App, roomId: string): Promise<readonly string[]> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const aliases = (await aliasesOf(app.db, room.room, ALIASES_MAX)).map(({ alias }) => alias)
  const log = [{ kind: 'directory', subject: roomId }, ...aliases.map((alias) => ({ kind: 'alias', subject: alias }))]
  await write(app, { guards: [], writes: [deleteAliasesOf(room.room), publishRoom(room.room, false)], log })
  return aliases
}
