import { Type } from '@sinclair/typebox'
import { backfillRoom } from '../../actions/backfill-room.ts'
import { parseEventFilter, parseEventFilterText } from '../../core/filter.ts'
import { messages } from '../../views/messages.ts'
import { endpoint } from '../endpoint.ts'

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 1_000

/** Client-Server API, "Getting events for a room". */
export const getRoomEvents = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/messages',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({
    dir: Type.Union([Type.Literal('b'), Type.Literal('f')]),
    from: Type.Optional(Type.String()),
    to: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer()),
    filter: Type.Optional(Type.String()),
  }),
  async handle(app, { user, params, query }) {
    const request = {
      viewer: user,
      roomId: params.roomId,
      dir: query.dir,
      // Clients that have no token may send an empty one.
      from: query.from === '' ? undefined : query.from,
      to: query.to,
      limit: Math.min(Math.max(query.limit ?? DEFAULT_LIMIT, 1), MAX_LIMIT),
      filter: query.filter === undefined ? parseEventFilter(undefined) : parseEventFilterText(query.filter),
    }
    const page = await messages(app, request)
    // Where our history ends, that of the room may go on at other servers.
    const more = query.dir === 'b' && page.exhausted && (await backfillRoom(app, params.roomId))
    return more ? (await messages(app, request)).json : page.json
  },
})
