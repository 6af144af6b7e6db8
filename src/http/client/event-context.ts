import { Type } from '@sinclair/typebox'
import { parseEventFilter, parseEventFilterText } from '../../core/filter.ts'
import { context } from '../../views/context.ts'
import { endpoint } from '../endpoint.ts'

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100

/** Client-Server API, "Event Context". */
export const getEventContext = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/context/{eventId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  query: Type.Object({ limit: Type.Optional(Type.Integer()), filter: Type.Optional(Type.String()) }),
  handle: (app, { user, params, query }) =>
    context(app, {
      viewer: user,
      roomId: params.roomId,
      eventId: params.eventId,
      limit: Math.min(Math.max(query.limit ?? DEFAULT_LIMIT, 0), MAX_LIMIT),
      filter: query.filter === undefined ? parseEventFilter(undefined) : parseEventFilterText(query.filter),
    }),
})
