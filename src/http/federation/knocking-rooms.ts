import { Type } from '@sinclair/typebox'
import { acceptMembership } from '../../actions/accept-membership.ts'
import { makeMembership } from '../../actions/make-membership.ts'
import { roomForServer } from '../../views/federation/room-access.ts'
import { strippedRoomState } from '../../views/federation/stripped-room-state.ts'
import { endpoint } from '../endpoint.ts'
import { checkUser, checkVersion } from './joining-rooms.ts'

/** Server-Server API, "Knocking upon a room". */
export const makeKnock = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/make_knock/{roomId}/{userId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String(), userId: Type.String() }),
  query: Type.Object({ ver: Type.Optional(Type.Union([Type.Array(Type.String()), Type.String()])) }),
  async handle(app, { origin, params, query }) {
    checkUser(params.userId, origin)
    const room = await roomForServer(app, params.roomId, origin)
    checkVersion(room, query.ver)
    const event = await makeMembership(app, params.roomId, params.userId, 'knock')
    return { event, room_version: room.version.id }
  },
})

export const sendKnock = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_knock/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  async handle(app, { origin, params, content }) {
    const room = await roomForServer(app, params.roomId, origin)
    const claim = { ...params, origin, room: room.row.room, version: room.version, membership: 'knock' as const }
    await acceptMembership(app, claim, content)
    return { knock_room_state: await strippedRoomState(app, room) }
  },
})
