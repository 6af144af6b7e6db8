import { Type } from '@sinclair/typebox'
import { changeMembership, type Membership } from '../../actions/change-membership.ts'
import { forgetRoom as forgetAction } from '../../actions/forget-room.ts'
import type { App } from '../../app.ts'
import { isValidUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { joinedRooms } from '../../store/memberships.ts'
import { roomByAlias } from '../../store/rooms.ts'
import { endpoint } from '../endpoint.ts'

const RoomParams = Type.Object({ roomId: Type.String() })
const Reason = Type.Object({ reason: Type.Optional(Type.String({ maxLength: 2_000 })) })
const Target = Type.Object({ user_id: Type.String(), reason: Type.Optional(Type.String({ maxLength: 2_000 })) })

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
  guest: true,
  rateLimit: 'join',
  params: RoomParams,
  body: Reason,
  async handle(app, { user, params, body }) {
    await changeMembership(app, own(user.userId, params.roomId, 'join', body.reason))
    return { room_id: params.roomId }
  },
})

export const joinRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/join/{roomIdOrAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'join',
  params: Type.Object({ roomIdOrAlias: Type.String() }),
  body: Reason,
  async handle(app, { user, params, body }) {
    const roomId = await resolve(app, params.roomIdOrAlias)
    await changeMembership(app, own(user.userId, roomId, 'join', body.reason))
    return { room_id: roomId }
  },
})

export const knockRoom = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/knock/{roomIdOrAlias}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'join',
  params: Type.Object({ roomIdOrAlias: Type.String() }),
  body: Reason,
  async handle(app, { user, params, body }) {
    const roomId = await resolve(app, params.roomIdOrAlias)
    await changeMembership(app, own(user.userId, roomId, 'knock', body.reason))
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
    await changeMembership(app, own(user.userId, params.roomId, 'leave', body.reason))
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

export const inviteUser = onTarget('invite', 'invite', 'invite')
export const kick = onTarget('kick', 'leave', 'other')
export const ban = onTarget('ban', 'ban', 'other')
export const unban = onTarget('unban', 'leave', 'other')

/** The four endpoints in which one member decides about another. */
function onTarget(verb: string, membership: Membership, rateLimit: 'invite' | 'other') {
  return endpoint({
    method: 'POST',
    path: `/_matrix/client/v3/rooms/{roomId}/${verb}`,
    aliases: ['r0'],
    auth: 'access-token',
    rateLimit,
    params: RoomParams,
    body: Target,
    async handle(app, { user, params, body }) {
      if (!isValidUserId(body.user_id)) throw new MatrixError('M_INVALID_PARAM', `${body.user_id} is not a user id.`)
      const target = body.user_id as UserId
      await changeMembership(app, {
        roomId: params.roomId,
        sender: user.userId,
        target,
        membership,
        reason: body.reason,
      })
      return {}
    },
  })
}

function own(userId: UserId, roomId: string, membership: Membership, reason: string | undefined) {
  return { roomId, sender: userId, target: userId, membership, reason }
}

async function resolve(app: App, roomIdOrAlias: string): Promise<string> {
  if (!roomIdOrAlias.startsWith('#')) return roomIdOrAlias
  const room = await roomByAlias(app.db, roomIdOrAlias)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', `The alias ${roomIdOrAlias} is not known.`)
  return room.room_id
}
