import { type Static, Type } from '@sinclair/typebox'
import { changeMembership, type Membership } from '../../actions/memberships/change-membership.ts'
import { inviteByAddress } from '../../actions/memberships/invite-by-address.ts'
import { join } from '../../actions/memberships/join.ts'
import { knock } from '../../actions/memberships/knock.ts'
import { leave } from '../../actions/memberships/leave.ts'
import { redeemInvite } from '../../actions/memberships/redeem-invite.ts'
import { forgetRoom as forgetAction } from '../../actions/rooms/forget-room.ts'
import { checkMayReject } from '../../actions/rooms/notices-sender.ts'
import type { App } from '../../app.ts'
import { isHistoricalUserId, isServerName, mayBeUser, type ServerName, type UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { joinedRooms } from '../../store/memberships.ts'
import { resolveRoom } from '../../views/directory.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { AddressInvite, addressIn } from './third-party-membership.ts'

const RoomParams = Type.Object({ roomId: Type.String() })
const RoomOrAlias = Type.Object({ roomIdOrAlias: Type.String() })
/** `server_name` is the older name. */
const servers = Type.Optional(Type.Union([Type.Array(Type.String(), { maxItems: 50 }), Type.String()]))
const Via = Type.Object({ via: servers, server_name: servers })
const MAX_REASON_LENGTH = 2_000
const reason = Type.Optional(Type.String({ maxLength: MAX_REASON_LENGTH }))
const Reason = Type.Object({ reason })
const Id = Type.String({ maxLength: 255 })
/** `third_party_signed`: an invite to an address of the user, as the identity server signed it. */
const Join = Type.Object({
  reason,
  third_party_signed: Type.Optional(
    Type.Object({ sender: Id, mxid: Id, token: Id, signatures: Type.Record(Type.String(), Type.Unknown()) }),
  ),
})
type JoinBody = Static<typeof Join>
const Target = Type.Object({ user_id: Type.Optional(Type.String()), reason, ...AddressInvite })

/** Client-Server API, "Room membership". */
export const getJoinedRooms = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/joined_rooms',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  async handle(app, { user }) {
    const rooms = await joinedRooms(app.db, user.userId)
    return { joined_rooms: rooms.map((room) => room.room_id) }
  },
})

export const joinRoomById = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/join',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  guest: true,
  rateLimit: 'join',
  params: RoomParams,
  body: Join,
  async handle(app, { user, params, body }) {
    await redeem(app, user, params.roomId, body.third_party_signed)
    await join(app, { ...own(user, params.roomId, 'join'), content: entering(body) })
    return { room_id: params.roomId }
  },
})

export const joinRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/join/{roomIdOrAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  guest: true,
  rateLimit: 'join',
  params: RoomOrAlias,
  query: Via,
  body: Join,
  async handle(app, { user, params, query, body }) {
    const { roomId, servers } = await resolveRoom(app, params.roomIdOrAlias)
    await redeem(app, user, roomId, body.third_party_signed)
    await join(app, { ...own(user, roomId, 'join'), content: entering(body) }, [...viaIn(query), ...servers])
    return { room_id: roomId }
  },
})

export const knockRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/knock/{roomIdOrAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  rateLimit: 'join',
  params: RoomOrAlias,
  query: Via,
  body: Reason,
  async handle(app, { user, params, query, body }) {
    const { roomId, servers } = await resolveRoom(app, params.roomIdOrAlias)
    await knock(app, { ...own(user, roomId, 'knock'), reason: body.reason }, [...viaIn(query), ...servers])
    return { room_id: roomId }
  },
})

export const leaveRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/leave',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  params: RoomParams,
  body: Reason,
  async handle(app, { user, params, body }) {
    await checkMayReject(app, user.userId, params.roomId)
    await leave(app, { ...own(user, params.roomId, 'leave'), reason: body.reason })
    return {}
  },
})

export const forgetRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/forget',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  params: RoomParams,
  async handle(app, { user, params }) {
    await forgetAction(app, user.userId, params.roomId)
    return {}
  },
})

export const inviteUser = onTarget({ verb: 'invite', membership: 'invite', rateLimit: 'invite' })
export const kick = onTarget({ verb: 'kick', membership: 'leave', from: ['join', 'invite', 'knock'] })
export const ban = onTarget({ verb: 'ban', membership: 'ban' })
export const unban = onTarget({ verb: 'unban', membership: 'leave', from: ['ban'] })

interface Decision {
  readonly verb: string
  readonly membership: Membership
  readonly rateLimit?: 'invite' | 'other'
  readonly from?: readonly Membership[]
}

/** The four endpoints in which one member decides about another. */
function onTarget({ verb, membership, rateLimit = 'other', from }: Decision) {
  return endpoint({
    method: 'POST',
    path: `/_matrix/client/v3/rooms/{roomId}/${verb}`,
    aliases: ['r0'],
    auth: 'access-token',
    suspended: 'refused',
    rateLimit,
    params: RoomParams,
    body: Target,
    async handle(app, { user, params, body }) {
      const { roomId } = params
      if (membership === 'invite' && body.user_id === undefined && body.medium !== undefined) {
        await inviteByAddress(app, { roomId, sender: user.userId, ...addressIn(body) })
        return {}
      }
      const target = targetOf(app, body, membership)
      const wish = { roomId, sender: user.userId, target, membership, reason: body.reason }
      await changeMembership(app, from === undefined ? wish : { ...wish, from })
      return {}
    },
  })
}

function targetOf(app: App, { user_id: target }: { user_id?: string }, membership: Membership): UserId {
  if (target === undefined) throw new MatrixError('M_MISSING_PARAM', 'The body has no user_id.')
  if (isHistoricalUserId(target) && (membership !== 'invite' || mayBeUser(target, app.serverName))) return target
  throw new MatrixError('M_INVALID_PARAM', `${target} is not a user id.`)
}

function own({ userId, guest }: Requester, roomId: string, membership: Membership) {
  return { roomId, sender: userId, target: userId, membership, guest }
}

function viaIn(query: { via?: string | string[]; server_name?: string | string[] }): ServerName[] {
  return [query.via ?? [], query.server_name ?? []].flat().filter(isServerName)
}

/** With an invite to an address the user is invited first. */
async function redeem(app: App, user: Requester, roomId: string, signed: JoinBody['third_party_signed']) {
  if (signed === undefined) return
  if (!isHistoricalUserId(signed.sender)) throw new MatrixError('M_INVALID_PARAM', 'The sender is not a user id.')
  await redeemInvite(app, { roomId, sender: signed.sender, target: user.userId, signed: signed as JsonObject })
}

/** Further keys of the body go into the member event, as clients have come to expect. */
function entering(body: object): JsonObject | undefined {
  const { third_party_signed: _, ...content } = body as Record<string, JsonObject>
  return Object.keys(content).length === 0 ? undefined : content
}
