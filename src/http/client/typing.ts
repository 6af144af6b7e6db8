import { Type } from '@sinclair/typebox'
import { setTyping as setTypingAction } from '../../actions/ephemeral/set-typing.ts'
import { joinedRoom } from '../../views/readable-event.ts'
import { endpoint } from '../endpoint.ts'
import { checkOwner } from './account-data.ts'

/** How long a user types when the client does not say. */
const DEFAULT_TIMEOUT_MS = 30_000

/** Client-Server API, "Typing notifications". */
export const setTyping = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/typing/{userId}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  params: Type.Object({ roomId: Type.String(), userId: Type.String() }),
  body: Type.Object({ typing: Type.Boolean(), timeout: Type.Optional(Type.Integer()) }),
  async handle(app, { user, params, body }) {
    checkOwner(user, params.userId)
    const room = await joinedRoom(app, user.userId, params.roomId)
    const timeoutMs = body.typing ? (body.timeout ?? DEFAULT_TIMEOUT_MS) : 0
    await setTypingAction(app, { room: room.room, roomId: params.roomId, userId: user.userId, timeoutMs })
    return {}
  },
})
