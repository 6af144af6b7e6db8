import { Type } from '@sinclair/typebox'
import { isHistoricalUserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { mutualRooms } from '../../views/mutual-rooms.ts'
import { endpoint } from '../endpoint.ts'

/** Client-Server API, "Mutual Rooms". */
export const getMutualRooms = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/mutual_rooms',
  auth: 'access-token',
  rateLimit: 'other',
  query: Type.Object({ user_id: Type.String(), from: Type.Optional(Type.String()) }),
  async handle(app, { user, query: { user_id: other, from } }) {
    if (!isHistoricalUserId(other)) throw new MatrixError('M_INVALID_PARAM', `${other} is not a user id.`)
    if (other === user.userId) throw new MatrixError('M_INVALID_PARAM', 'You share every room with yourself.')
    return mutualRooms(app, user.userId, other, from)
  },
})
