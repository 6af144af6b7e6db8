import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { membershipOf, roomsToLeave } from '../../store/memberships.ts'
import { roomById } from '../../store/rooms.ts'
import { userById } from '../../store/users.ts'
import { leave } from '../memberships/leave.ts'

export interface Evacuation {
  readonly userId: UserId
  /** Only these rooms. */
  readonly rooms?: readonly string[] | undefined
  readonly reason?: string | undefined
}

export interface RoomToLeave {
  readonly room_id: string
  /** join, invite or knock. */
  readonly membership: string
}

export interface LeftRoom extends RoomToLeave {
  /** Why the room could not be left. */
  readonly error?: string
}

/** The rooms that an evacuation would leave. Errors: M_NOT_FOUND for an unknown user, or a room the user never knew. */
export async function roomsOfEvacuation(app: App, evacuation: Evacuation): Promise<RoomToLeave[]> {
  const user = await userById(app.db, evacuation.userId)
  if (user === undefined) throw new MatrixError('M_NOT_FOUND', `${evacuation.userId} does not exist.`)
  const rooms = await roomsToLeave(app.db, evacuation.userId)
  if (evacuation.rooms === undefined) return rooms
  for (const roomId of evacuation.rooms) await checkRoom(app, evacuation.userId, roomId)
  const wanted = new Set(evacuation.rooms)
  return rooms.filter((room) => wanted.has(room.room_id))
}

/** A room left already is nothing to do; one never heard of is most likely a slip of the pen. */
async function checkRoom(app: App, userId: UserId, roomId: string): Promise<void> {
  const room = await roomById(app.db, roomId)
  const membership = room && (await membershipOf(app.db, room.room, userId))
  if (membership === undefined) throw new MatrixError('M_NOT_FOUND', `${userId} was never in ${roomId}.`)
}

/**
 * Leaves every room, rejects every invite and takes back every knock of a local user. A room that fails does not keep
 * the others; `done` hears of each. Errors: M_NOT_FOUND for an unknown user.
 */
export async function evacuateUser(
  app: App,
  evacuation: Evacuation,
  done: (room: LeftRoom) => void,
): Promise<readonly LeftRoom[]> {
  const left: LeftRoom[] = []
  for (const room of await roomsOfEvacuation(app, evacuation)) {
    const result = await leaveRoom(app, evacuation, room)
    left.push(result)
    done(result)
  }
  return left
}

async function leaveRoom(app: App, { userId, reason }: Evacuation, room: RoomToLeave): Promise<LeftRoom> {
  try {
    await leave(app, { roomId: room.room_id, sender: userId, target: userId, reason })
    return room
  } catch (error) {
    return { ...room, error: error instanceof Error ? error.message : String(error) }
  }
}
