import { Type } from '@sinclair/typebox'
import { acceptMembership } from '../../actions/accept-membership.ts'
import { makeMembership } from '../../actions/make-membership.ts'
import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import type { JsonValue } from '../../core/json.ts'
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
    await acceptLeave(app, { ...params, origin }, content)
    return {}
  },
})

/** The form of old servers, whose answer stands in an array (removed in v1.18 of the specification). */
export const sendLeaveV1 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_leave/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  async handle(app, { origin, params, content }) {
    await acceptLeave(app, { ...params, origin }, content)
    return [200, {}]
  },
})

async function acceptLeave(
  app: App,
  sent: { readonly roomId: string; readonly eventId: string; readonly origin: ServerName },
  content: JsonValue | undefined,
): Promise<void> {
  const { row, version } = await roomForServer(app, sent.roomId, sent.origin)
  await acceptMembership(app, { ...sent, room: row.room, version, membership: 'leave' }, content)
}
