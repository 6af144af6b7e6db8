import { Type } from '@sinclair/typebox'
import { eventNearTime } from '../../views/room.ts'
import { endpoint } from '../endpoint.ts'

/** Client-Server API, "Getting the closest event to a timestamp". */
export const getEventByTimestamp = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/rooms/{roomId}/timestamp_to_event',
  auth: 'access-token',
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String() }),
  query: Type.Object({
    ts: Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER }),
    dir: Type.Union([Type.Literal('f'), Type.Literal('b')]),
  }),
  handle: (app, { user, params, query }) => eventNearTime(app, user, params.roomId, query.ts, query.dir),
})
