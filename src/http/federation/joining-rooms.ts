import { Type } from '@sinclair/typebox'
import { acceptMembership } from '../../actions/accept-membership.ts'
import { makeMembership } from '../../actions/make-membership.ts'
import type { App } from '../../app.ts'
import { isHistoricalUserId, type ServerName, serverNameOf, type UserId } from '../../core/ids.ts'
import type { JsonValue } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { serversIn } from '../../store/room-servers.ts'
import { type KnownRoom, roomForServer } from '../../views/federation/room-access.ts'
import { stateBefore, stateWithoutMembers } from '../../views/federation/room-state.ts'
import { endpoint } from '../endpoint.ts'
import { pduArray } from './json-text.ts'

const MakeParams = Type.Object({ roomId: Type.String(), userId: Type.String() })
export const SendParams = Type.Object({ roomId: Type.String(), eventId: Type.String() })

/** Server-Server API, "Joining Rooms". */
export const makeJoin = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/make_join/{roomId}/{userId}',
  auth: 'federation-signature',
  params: MakeParams,
  query: Type.Object({ ver: Type.Optional(Type.Union([Type.Array(Type.String()), Type.String()])) }),
  async handle(app, { origin, params, query }) {
    checkUser(params.userId, origin)
    const room = await roomForServer(app, params.roomId, origin)
    checkVersion(room, query.ver)
    const event = await makeMembership(app, params.roomId, params.userId, 'join')
    return { event, room_version: room.version.id }
  },
})

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

export function checkUser(userId: string, origin: ServerName): asserts userId is UserId {
  if (!isHistoricalUserId(userId)) throw new MatrixError('M_INVALID_PARAM', 'This is not a user id.')
  if (serverNameOf(userId) !== origin) throw new MatrixError('M_FORBIDDEN', `The user is not of ${origin}.`)
}

/** A server that does not say which versions it knows is one of the oldest. */
export function checkVersion(room: KnownRoom, offered: string | readonly string[] | undefined): void {
  const versions = offered === undefined ? ['1'] : typeof offered === 'string' ? [offered] : offered
  if (versions.includes(room.version.id)) return
  const message = `The room has version ${room.version.id}, which the server does not offer.`
  throw new MatrixError('M_INCOMPATIBLE_ROOM_VERSION', message, { room_version: room.version.id })
}
