import { acceptMembership } from '../../actions/memberships/accept-membership.ts'
import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import type { JsonValue } from '../../core/json.ts'
import { roomForServer } from '../../views/federation/room-access.ts'
import { endpoint } from '../endpoint.ts'
import { SendParams } from './joining-rooms.ts'
import { membershipTemplate } from './membership-template.ts'

/** Server-Server API, "Leaving Rooms (Rejecting Invites)". */
export const makeLeave = membershipTemplate('leave')

export const sendLeave = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/send_leave/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: SendParams,
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
  params: SendParams,
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
