import { Type } from '@sinclair/typebox'
import { report } from '../../actions/rooms/report.ts'
import { isHistoricalUserId, serverNameOf } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomById } from '../../store/rooms.ts'
import { userById } from '../../store/users.ts'
import { joinedRoom, readableEvents } from '../../views/readable-event.ts'
import { endpoint } from '../endpoint.ts'

const MAX_REASON = 2_000

const Reason = Type.Object({ reason: Type.String({ maxLength: MAX_REASON }) })

/** Client-Server API, "Reporting Content". Only members report events; rooms and users anybody. */
export const reportEvent = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/report/{eventId}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  body: Type.Object({ reason: Type.Optional(Type.String({ maxLength: MAX_REASON })) }),
  async handle(app, { user, params: { roomId, eventId }, body }) {
    const room = await joinedRoom(app, user.userId, roomId).catch((error: unknown) => {
      // Whether the room exists is not for everybody to know.
      if (error instanceof MatrixError) throw new MatrixError('M_NOT_FOUND', 'You are not in a room with this event.')
      throw error
    })
    await readableEvents(app, user.userId, room, [eventId])
    await report(app, { kind: 'event', reporter: user.userId, roomId, eventId, reason: body.reason })
    return {}
  },
})

export const reportRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/report',
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String() }),
  body: Reason,
  async handle(app, { user, params: { roomId }, body }) {
    // The answer does not tell whether the room exists.
    const known = (await roomById(app.db, roomId)) !== undefined
    if (known) await report(app, { kind: 'room', reporter: user.userId, roomId, reason: body.reason })
    return {}
  },
})

export const reportUser = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/users/{userId}/report',
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ userId: Type.String() }),
  body: Reason,
  async handle(app, { user, params: { userId }, body }) {
    if (!isHistoricalUserId(userId)) throw new MatrixError('M_INVALID_PARAM', `${userId} is not a user id.`)
    // We know all users of this server, of other servers few.
    const known = serverNameOf(userId) !== app.serverName || (await userById(app.db, userId)) !== undefined
    if (known) await report(app, { kind: 'user', reporter: user.userId, userId, reason: body.reason })
    return {}
  },
})
