import { Type } from '@sinclair/typebox'
import { acceptMembership } from '../../actions/memberships/accept-membership.ts'
import type { App } from '../../app.ts'
import type { ServerName } from '../../core/ids.ts'
import type { JsonValue } from '../../core/json.ts'
import { serversIn } from '../../store/room-servers.ts'
import { roomForServer } from '../../views/federation/room-access.ts'
import { stateBefore, stateWithoutMembers } from '../../views/federation/room-state.ts'
import { endpoint } from '../endpoint.ts'
import { pduArray } from './json-text.ts'
import { membershipTemplate } from './membership-template.ts'

export const SendParams = Type.Object({ roomId: Type.String(), eventId: Type.String() })

/** Server-Server API, "Joining Rooms". */
export const makeJoin = membershipTemplate('join')

export const sendJoin = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v2/send_join/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: SendParams,
  query: Type.Object({ omit_members: Type.Optional(Type.Boolean()) }),
  async handle(app, { origin, params, query, content }) {
    return sendJoinAnswer(app, { ...params, origin, content, omitMembers: query.omit_members === true })
  },
})

/** The form of old servers, whose answer stands in an array (removed in v1.18 of the specification). */
export const sendJoinV1 = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send_join/{roomId}/{eventId}',
  auth: 'federation-signature',
  params: SendParams,
  async handle(app, { origin, params, content }) {
    return `[200,${await sendJoinAnswer(app, { ...params, origin, content, omitMembers: false })}]`
  },
})

interface SentJoin {
  readonly roomId: string
  readonly eventId: string
  readonly origin: ServerName
  readonly content: JsonValue | undefined
  /** The joining server can do without most members for a while. */
  readonly omitMembers: boolean
}

async function sendJoinAnswer(app: App, sent: SentJoin): Promise<string> {
  const room = await roomForServer(app, sent.roomId, sent.origin)
  const claim = { ...sent, room: room.row.room, version: room.version, membership: 'join' as const }
  const event = await acceptMembership(app, claim, sent.content)
  const { state, authChain } = sent.omitMembers
    ? await stateWithoutMembers(app, room, event)
    : await stateBefore(app, room, event.eventId)
  const servers = await serversIn(app.db, room.row.room)
  const parts = [
    `"auth_chain":${pduArray(authChain)}`,
    `"event":${JSON.stringify(event.pdu)}`,
    `"members_omitted":${sent.omitMembers}`,
    `"origin":${JSON.stringify(app.serverName)}`,
    `"servers_in_room":${JSON.stringify(servers)}`,
    `"state":${pduArray(state)}`,
  ]
  return `{${parts.join(',')}}`
}
