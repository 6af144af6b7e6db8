import { Type } from '@sinclair/typebox'
import { resolveRoom } from '../../views/directory.ts'
import { hierarchy } from '../../views/hierarchy.ts'
import { publicRoomsOf } from '../../views/remote-public-rooms.ts'
import { summary } from '../../views/room-summary.ts'
import { endpoint } from '../endpoint.ts'
import { PublicRoomsBody, PublicRoomsQuery, publicRoomsRequest } from '../public-rooms.ts'

/** Client-Server API, "Published room directory". */
export const getPublicRooms = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/publicRooms',
  aliases: ['r0'],
  auth: 'none',
  query: Type.Intersect([PublicRoomsQuery, Type.Object({ server: Type.Optional(Type.String()) })]),
  handle: (app, { query }) => publicRoomsOf(app, query.server, publicRoomsRequest(query)),
})

export const queryPublicRooms = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/publicRooms',
  aliases: ['r0'],
  auth: 'access-token',
  query: Type.Object({ server: Type.Optional(Type.String()) }),
  body: PublicRoomsBody,
  handle: (app, { query, body }) => publicRoomsOf(app, query.server, publicRoomsRequest(body)),
})

/** Client-Server API, "Spaces". */
export const getSpaceHierarchy = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/{roomId}/hierarchy',
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({
    suggested_only: Type.Optional(Type.Boolean()),
    limit: Type.Optional(Type.Integer({ minimum: 1 })),
    max_depth: Type.Optional(Type.Integer({ minimum: 0 })),
    from: Type.Optional(Type.String()),
  }),
  handle: (app, { user, params, query }) =>
    hierarchy(app, {
      userId: user.userId,
      roomId: params.roomId,
      suggestedOnly: query.suggested_only ?? false,
      maxDepth: query.max_depth,
      limit: query.limit,
      from: query.from,
    }),
})

/** Client-Server API, "Room previews". */
export const getRoomSummary = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/room_summary/{roomIdOrAlias}',
  auth: 'access-token-optional',
  rateLimit: 'other',
  params: Type.Object({ roomIdOrAlias: Type.String() }),
  handle: async (app, { user, params }) =>
    summary(app, user?.userId, (await resolveRoom(app, params.roomIdOrAlias)).roomId),
})
