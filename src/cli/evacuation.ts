import type { Logger } from 'pino'
import { deactivate } from '../actions/accounts/deactivate.ts'
import { evacuateUser, type LeftRoom, type RoomToLeave, roomsOfEvacuation } from '../actions/accounts/evacuate-user.ts'
import type { Config } from '../config/schema.ts'
import { isHistoricalUserId, type ServerName, serverNameOf, type UserId } from '../core/ids.ts'
import { openApp } from '../open-app.ts'
import { CommandError, EXIT } from './exit-codes.ts'

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
    const evacuation = { userId: localUser(wish.userId, app.serverName), rooms: wish.rooms, reason: wish.reason }
    const rooms = await roomsOfEvacuation(app, evacuation)
    if (wish.dryRun) return rooms
    if (!(await confirm(rooms))) return undefined
    if (wish.deactivate) await deactivate(app, evacuation.userId, false)
    return await evacuateUser(app, evacuation, done)
  } finally {
    await app.close()
  }
}

/** A name alone is that of a user here. Errors: CommandError. */
function localUser(text: string, serverName: ServerName): UserId {
  const id = text.startsWith('@') ? text : `@${text}:${serverName}`
  if (isHistoricalUserId(id) && serverNameOf(id) === serverName) return id
  throw new CommandError(`${text} is no user of ${serverName}.`, { exit: EXIT.usage, code: 'USAGE' })
}
