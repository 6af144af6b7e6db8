import { Type } from '@sinclair/typebox'
import { upgradeRoom as upgrade } from '../../actions/rooms/upgrade-room.ts'
import { isHistoricalUserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

const MAX_CREATORS = 100

/** Client-Server API, "Room Upgrades". */
export const upgradeRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/upgrade',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  rateLimit: 'room-creation',
  params: Type.Object({ roomId: Type.String() }),
  body: Type.Object({
    new_version: Type.String(),
    additional_creators: Type.Optional(Type.Array(Type.String(), { maxItems: MAX_CREATORS })),
  }),
  async handle(app, { user, params, body }) {
    const additionalCreators = body.additional_creators ?? []
    if (!additionalCreators.every(isHistoricalUserId))
      throw new MatrixError('M_INVALID_PARAM', 'additional_creators is not an array of user ids.')
    const wish = { roomId: params.roomId, sender: user.userId, version: body.new_version, additionalCreators }
    return { replacement_room: await upgrade(app, wish) }
  },
})
