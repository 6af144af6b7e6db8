import { Type } from '@sinclair/typebox'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { resolveRoom } from '../../views/directory.ts'
import { hierarchy } from '../../views/hierarchy.ts'
import { publicRooms } from '../../views/public-rooms.ts'
import { summary } from '../../views/room-summary.ts'
import { endpoint } from '../endpoint.ts'

const MAX_SEARCH_TERM_LENGTH = 1_024
const MAX_ROOM_TYPES = 100

/** Client-Server API, "Published room directory". */
export const getPublicRooms = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/publicRooms',
  aliases: ['r0'],
  auth: 'none',
  query: Type.Object({
    limit: Type.Optional(Type.Integer()),
    since: Type.Optional(Type.String()),
    server: Type.Optional(Type.String()),
  }),
  async handle(app, { query }) {
    checkServer(app, query.server)
    return publicRooms(app, query)
  },
})

export const queryPublicRooms = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/publicRooms',
  aliases: ['r0'],
  auth: 'access-token',
  query: Type.Object({ server: Type.Optional(Type.String()) }),
  body: Type.Object({
    limit: Type.Optional(Type.Integer()),
    since: Type.Optional(Type.Union([Type.String(), Type.Null()])),
    filter: Type.Optional(
      Type.Object({
        generic_search_term: Type.Optional(
          Type.Union([Type.String({ maxLength: MAX_SEARCH_TERM_LENGTH }), Type.Null()]),
        ),
        room_types: Type.Optional(
          Type.Union([Type.Array(Type.Union([Type.String(), Type.Null()]), { maxItems: MAX_ROOM_TYPES }), Type.Null()]),
        ),
      }),
    ),
    include_all_networks: Type.Optional(Type.Boolean()),
    third_party_instance_id: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  }),
  async handle(app, { query, body }) {
    checkServer(app, query.server)
    // No application service has rooms of a network of its own here.
    if (typeof body.third_party_instance_id === 'string') return { chunk: [], total_room_count_estimate: 0 }
    return publicRooms(app, {
      limit: body.limit,
      since: body.since ?? undefined,
      searchTerm: body.filter?.generic_search_term ?? undefined,
      roomTypes: body.filter?.room_types ?? undefined,
    })
  },
})

function checkServer(app: App, server: string | undefined): void {
  if (server !== undefined && server !== app.serverName)
    throw new MatrixError('M_NOT_FOUND', `The directory of ${server} cannot be read here.`)
}

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
