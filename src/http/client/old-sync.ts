import { Type } from '@sinclair/typebox'
import { eventStream, oneEvent } from '../../views/event-stream.ts'
import { initialSync as all, roomInitialSync as ofRoom } from '../../views/initial-sync.ts'
import { endpoint } from '../endpoint.ts'

const DEFAULT_LIMIT = 10
const MAX_LIMIT = 100
/** How long `/events` waits when the client does not say. */
const DEFAULT_TIMEOUT_MS = 10_000

/** Client-Server API, "Listen on the event stream": deprecated, but what guests follow a room with. */
export const getEvents = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/events',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  query: Type.Object({
    from: Type.Optional(Type.String()),
    room_id: Type.Optional(Type.String()),
    timeout: Type.Optional(Type.Integer()),
  }),
  handle: (app, { user, query, signal }) =>
    eventStream(app, {
      viewer: user,
      // Older clients begin with an empty one.
      from: query.from === '' ? undefined : query.from,
      roomId: query.room_id,
      timeoutMs: query.timeout ?? DEFAULT_TIMEOUT_MS,
      signal,
    }),
})

export const getOneEvent = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/events/{eventId}',
  aliases: ['r0'],
  auth: 'access-token',
  params: Type.Object({ eventId: Type.String() }),
  handle: (app, { user, params }) => oneEvent(app, user, params.eventId),
})

export const initialSync = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/initialSync',
  aliases: ['r0'],
  auth: 'access-token',
  query: Type.Object({ limit: Type.Optional(Type.Integer()), archived: Type.Optional(Type.Boolean()) }),
  handle: (app, { user, query }) =>
    all(app, { viewer: user, limit: limitOf(query.limit), archived: query.archived ?? false }),
})

export const roomInitialSync = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/rooms/{roomId}/initialSync',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({ limit: Type.Optional(Type.Integer()) }),
  handle: (app, { user, params, query }) => ofRoom(app, user, params.roomId, limitOf(query.limit)),
})

function limitOf(limit: number | undefined): number {
  return Math.min(Math.max(limit ?? DEFAULT_LIMIT, 1), MAX_LIMIT)
}
