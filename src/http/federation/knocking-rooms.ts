import { acceptMembership } from '../../actions/memberships/accept-membership.ts'
import { roomForServer } from '../../views/federation/room-access.ts'
import { shownState } from '../../views/federation/shown-state.ts'
import { endpoint } from '../endpoint.ts'
import { SendParams } from './joining-rooms.ts'
import { membershipTemplate } from './membership-template.ts'

/** Server-Server API, "Knocking upon a room". */
export const makeKnock = membershipTemplate('knock')

export const sendKnock = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_knock/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: SendParams,
  async handle(app, { origin, params, content }) {
    const room = await roomForServer(app, params.roomId, origin)
    const claim = { ...params, origin, room: room.row.room, version: room.version, membership: 'knock' as const }
    await acceptMembership(app, claim, content)
    return { knock_room_state: await shownState(app, room) }
  },
})
