import { Type } from '@sinclair/typebox'
import { setFullyRead } from '../../actions/ephemeral/set-fully-read.ts'
import { setReceipts } from '../../actions/ephemeral/set-receipts.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { joinedRoom, readableEvents } from '../../views/readable-event.ts'
import { endpoint } from '../endpoint.ts'

const FULLY_READ = 'm.fully_read'

/** Client-Server API, "Receipts". */
export const postReceipt = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}',
  aliases: ['r0'],
  auth: 'access-token',
  params: Type.Object({ roomId: Type.String(), receiptType: Type.String(), eventId: Type.String() }),
  body: Type.Object({ thread_id: Type.Optional(Type.Unknown()) }),
  async handle(app, { user, params, body }) {
    const { roomId, receiptType: type, eventId } = params
    if (type !== 'm.read' && type !== 'm.read.private' && type !== FULLY_READ)
      throw new MatrixError('M_INVALID_PARAM', 'There are receipts of the types m.read, m.read.private, m.fully_read.')
    const thread = threadIdOf(body.thread_id)
    if (thread !== undefined && type === FULLY_READ)
      throw new MatrixError('M_INVALID_PARAM', 'm.fully_read has no thread_id.')
    const room = await joinedRoom(app, user.userId, roomId)
    const [read] = await readableEvents(app, user.userId, room, [eventId])
    if (type === FULLY_READ) await setFullyRead(app, user.userId, roomId, read!)
    else await setReceipts(app, user.userId, room.room, [{ type, read: read!, thread }])
    return {}
  },
})

function threadIdOf(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'string' && (value === 'main' || value.startsWith('$'))) return value
  throw new MatrixError('M_INVALID_PARAM', 'thread_id is the event id of a thread root, or "main".')
}
