import { Type } from '@sinclair/typebox'
import { makeMembership } from '../../actions/memberships/make-membership.ts'
import { isHistoricalUserId, type ServerName, serverNameOf, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type KnownRoom, roomForServer } from '../../views/federation/room-access.ts'
import { endpoint } from '../endpoint.ts'

const Versions = Type.Optional(Type.Union([Type.Array(Type.String()), Type.String()]))

/** `make_join`, `make_knock` and `make_leave`. Who leaves need not know the room's version. */
export function membershipTemplate(membership: 'join' | 'knock' | 'leave') {
  return endpoint({
    method: 'GET',
    path: `/_matrix/federation/v1/make_${membership}/{roomId}/{userId}`,
    auth: 'federation-signature',
    params: Type.Object({ roomId: Type.String(), userId: Type.String() }),
    query: Type.Object({ ver: Versions }),
    async handle(app, { origin, params, query }) {
      checkUser(params.userId, origin)
      const room = await roomForServer(app, params.roomId, origin)
      if (membership !== 'leave') checkVersion(room, query.ver)
      const event = await makeMembership(app, params.roomId, params.userId, membership)
      return { event, room_version: room.version.id }
    },
  })
}

function checkUser(userId: string, origin: ServerName): asserts userId is UserId {
  if (!isHistoricalUserId(userId)) throw new MatrixError('M_INVALID_PARAM', 'This is not a user id.')
  if (serverNameOf(userId) !== origin) throw new MatrixError('M_FORBIDDEN', `The user is not of ${origin}.`)
}

/** A server that does not say which versions it knows is one of the oldest. */
function checkVersion(room: KnownRoom, offered: string | readonly string[] = '1'): void {
  if ([offered].flat().includes(room.version.id)) return
  const message = `The room has version ${room.version.id}, which the server does not offer.`
  throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', message, { room_version: room.version.id })
}
