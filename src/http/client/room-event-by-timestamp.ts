import { Type } from '@sinclair/typebox'
import { reachTime } from '../../actions/federation/reach-time.ts'
import { MatrixError } from '../../core/matrix-error.ts'
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
  async handle(app, { user, params, query }) {
    const look = () => eventNearTime(app, user, params.roomId, query.ts, query.dir)
    const held = await look().catch(undefinedIfNone)
    // Where our history has gaps, that of the room may have an event nearer to the time.
    const more = await reachTime(app, params.roomId, { ...query, nearest: held?.origin_server_ts })
    return held === undefined || more ? look() : held
  },
})

function undefinedIfNone(error: unknown): undefined {
  if (!(error instanceof MatrixError) || error.errcode !== 'M_NOT_FOUND') throw error
}
