import { Type } from '@sinclair/typebox'
import { joinedMembers, memberEvents, roomEvent, roomState, stateContent } from '../../views/room.ts'
import { endpoint } from '../endpoint.ts'

const RoomParams = Type.Object({ roomId: Type.String() })
const Membership = Type.Union(['join', 'invite', 'knock', 'leave', 'ban'].map((name) => Type.Literal(name)))
const Format = Type.Object({ format: Type.Optional(Type.Union([Type.Literal('content'), Type.Literal('event')])) })

/** Client-Server API, "Getting events for a room". */
export const getRoomState = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/state',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: RoomParams,
  handle: (app, { user, params }) => roomState(app, user, params.roomId),
})

export const getRoomStateWithKey = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String(), eventType: Type.String(), stateKey: Type.String() }),
  query: Format,
  handle: (app, { user, params, query }) =>
    stateContent(app, user, params.roomId, { type: params.eventType, stateKey: params.stateKey, format: query.format }),
})

export const getRoomStateByType = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String(), eventType: Type.String() }),
  query: Format,
  handle: (app, { user, params, query }) =>
    stateContent(app, user, params.roomId, { type: params.eventType, stateKey: '', format: query.format }),
})

export const getMembersByRoom = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/members',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: RoomParams,
  query: Type.Object({
    at: Type.Optional(Type.String()),
    membership: Type.Optional(Membership),
    not_membership: Type.Optional(Membership),
  }),
  handle: (app, { user, params, query }) => memberEvents(app, user, params.roomId, query),
})

export const getJoinedMembersByRoom = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/joined_members',
  aliases: ['r0'],
  auth: 'access-token',
  params: RoomParams,
  handle: (app, { user, params }) => joinedMembers(app, user, params.roomId),
})

export const getOneRoomEvent = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/event/{eventId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  handle: (app, { user, params }) => roomEvent(app, user, params.roomId, params.eventId),
})
