import { Type } from '@sinclair/typebox'
import { receiveInvite } from '../../actions/memberships/receive-invite.ts'
import { isObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomVersion } from '../../core/room-version.ts'
import { endpoint } from '../endpoint.ts'

const Params = Type.Object({ roomId: Type.String(), eventId: Type.String() })

/** Server-Server API, "Inviting to a room". The older form knows room versions 1 and 2 alone. */
export const sendInviteV1 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/invite/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: Params,
  async handle(app, { origin, params, content }) {
    const unsigned = isObject(content) ? own(content, 'unsigned') : undefined
    const roomState = isObject(unsigned) ? own(unsigned, 'invite_room_state') : undefined
    const version = roomVersion('1')!
    return [200, { event: await receiveInvite(app, { ...params, origin, version, pdu: content, roomState }) }]
  },
})

export const sendInviteV2 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/invite/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: Params,
  async handle(app, { origin, params, content }) {
    if (!isObject(content)) throw new MatrixError('M_BAD_JSON', 'The body is not an object.')
    const named = own(content, 'room_version')
    const version = typeof named === 'string' ? roomVersion(named) : undefined
    if (version === undefined)
      throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', 'The room version is not known.', {
        ...(typeof named === 'string' && { room_version: named }),
      })
    const roomState = own(content, 'invite_room_state')
    return { event: await receiveInvite(app, { ...params, origin, version, pdu: own(content, 'event'), roomState }) }
  },
})
