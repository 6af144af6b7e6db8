import type { Logger } from 'pino'
import { deactivate } from '../actions/deactivate.ts'
import { evacuateUser, type LeftRoom, type RoomToLeave, roomsOfEvacuation } from '../actions/evacuate-user.ts'
import type { Config } from '../config/schema.ts'
import type { UserId } from '../core/ids.ts'
import { openApp } from '../open-app.ts'

export type { LeftRoom }

interface Wish {
  readonly userId: string
  readonly rooms: readonly string[] | undefined
  readonly reason: string | undefined
  readonly dryRun: boolean
  readonly deactivate: boolean
}

interface Place {
  readonly config: Config
  readonly dir: string
  readonly log: Logger
}

/** Lists the rooms, asks `confirm`, leaves them. With `dryRun` it only lists. Errors: MatrixError M_NOT_FOUND. */
export async function evacuate(
  place: Place,
  wish: Wish,
  confirm: (rooms: readonly RoomToLeave[]) => Promise<boolean>,
  done: (room: LeftRoom) => void,
): Promise<readonly LeftRoom[] | undefined> {
  const app = await openApp({ ...place, exclusive: false })
  try {
    const evacuation = { userId: wish.userId as UserId, rooms: wish.rooms, reason: wish.reason }
    const rooms = await roomsOfEvacuation(app, evacuation)
    if (wish.dryRun) return rooms
    if (!(await confirm(rooms))) return undefined
    // First the account, or its owner comes back into rooms while others are left.
    if (wish.deactivate) await deactivate(app, evacuation.userId, false)
    return await evacuateUser(app, evacuation, done)
  } finally {
    await app.close()
  }
}
