import { Type } from '@sinclair/typebox'
import { limitOf, threads } from '../../views/relations.ts'
import { endpoint } from '../endpoint.ts'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100

/** Client-Server API, "Querying threads in a room". */
export const getThreadRoots = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/{roomId}/threads',
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({
    include: Type.Optional(Type.Union([Type.Literal('all'), Type.Literal('participated')])),
    from: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer()),
  }),
  handle: (app, { user, params, query }) =>
    threads(app, {
      viewer: user,
      roomId: params.roomId,
      include: query.include ?? 'all',
      from: query.from,
      limit: limitOf(query.limit, DEFAULT_LIMIT, MAX_LIMIT),
    }),
})
