import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomEndingTask } from '../../store/room-endings.ts'
import { roomById } from '../../store/rooms.ts'
import { newTask } from '../../store/tasks.ts'
import { write } from '../write.ts'
import type { RoomEnding } from './evacuate-room.ts'

const ID_BYTES = 12

/** Has a room ended in the background, by whatever process; resolves with the id to ask by. Errors: M_NOT_FOUND. */
export async function beginRoomEnding(app: App, roomId: string, { block, message }: RoomEnding): Promise<string> {
  if ((await roomById(app.db, roomId)) === undefined)
    throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  const deleteId = app.random.bytes(ID_BYTES).toString('base64url')
  const payload = { roomId, block, ...(message !== undefined && { message }) }
  const task = newTask(roomEndingTask(roomId, deleteId, payload, app.clock.now()))
  await write(app, { guards: [], ...task })
  return deleteId
}
