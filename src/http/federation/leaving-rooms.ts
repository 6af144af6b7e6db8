import { Type } from '@sinclair/typebox'
import { acceptMembership } from '../../actions/accept-membership.ts'
import { makeMembership } from '../../actions/make-membership.ts'
import { roomForServer } from '../../views/federation/room-access.ts'
import { endpoint } from '../endpoint.ts'
import { checkUser } from './joining-rooms.ts'

/** Server-Server API, "Leaving Rooms (Rejecting Invites)". */
export const makeLeave = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/make_leave/{roomId}/{userId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String(), userId: Type.String() }),
  async handle(app, { origin, params }) {
    checkUser(params.userId, origin)
    const room = await roomForServer(app, params.roomId, origin)
    const event = await makeMembership(app, params.roomId, params.userId, 'leave')
    return { event, room_version: room.version.id }
  },
})

export const sendLeave = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/send_leave/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  async handle(app, { origin, params, content }) {
    const room = await roomForServer(app, params.roomId, origin)
    const claim = { ...params, origin, room: room.row.room, version: room.version, membership: 'leave' as const }
    await acceptMembership(app, claim, content)
    return {}
  },
})
