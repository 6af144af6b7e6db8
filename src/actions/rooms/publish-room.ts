import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type Appservice, networkInstance } from '../../live/appservices.ts'
import { publishInNetwork as listInNetwork, publishRoom, roomById } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { write } from '../write.ts'
import { maySendState } from './may-send.ts'

/**
 * Lists the room in the directory, or takes it off. Administrators may, and who may give the room its aliases.
 * Errors: M_NOT_FOUND, M_FORBIDDEN.
 */
export async function publish(
  app: App,
  user: { readonly userId: UserId; readonly admin: boolean },
  roomId: string,
  published: boolean,
): Promise<void> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  if (!user.admin) await checkPower(app, user.userId, roomId)
  await write(app, {
    guards: [],
    writes: [publishRoom(room.room, published)],
    log: [{ kind: 'directory', subject: roomId }],
  })
}

/**
 * Lists the room in the directory of a network that the application service bridges, or takes it off. Errors:
 * M_NOT_FOUND.
 */
export async function publishInNetwork(
  app: App,
  appservice: Appservice,
  { networkId, roomId, published }: { networkId: string; roomId: string; published: boolean },
): Promise<void> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  await write(app, {
    guards: [],
    writes: [listInNetwork(networkInstance(appservice, networkId), room.room, published)],
    log: [{ kind: 'directory', subject: roomId }],
  })
}

async function checkPower(app: App, userId: UserId, roomId: string): Promise<void> {
  await append(app, roomId, async (writer) => {
    if (!(await maySendState(writer, userId, 'm.room.canonical_alias')))
      throw new MatrixError('M_FORBIDDEN', 'Only who may change the aliases of a room publishes it.')
  })
}
