import { Type } from '@sinclair/typebox'
import { notifications } from '../../views/notifications.ts'
import { endpoint } from '../endpoint.ts'

const DEFAULT_LIMIT = 20
const MAX_LIMIT = 100

/** Client-Server API, "Listing notifications". */
export const getNotifications = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/notifications',
  aliases: ['r0'],
  auth: 'access-token',
  query: Type.Object({
    from: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer({ minimum: 1 })),
    only: Type.Optional(Type.String()),
  }),
  handle: (app, { user, query }) =>
    notifications(app, {
      viewer: user,
      from: query.from,
      limit: Math.min(query.limit ?? DEFAULT_LIMIT, MAX_LIMIT),
      onlyHighlights: query.only === 'highlight',
    }),
})
