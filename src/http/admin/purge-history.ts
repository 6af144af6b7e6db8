import { Type } from '@sinclair/typebox'
import { beginHistoryPurge, type PurgeEnd } from '../../actions/rooms/purge-history.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { historyPurgeIsDone } from '../../store/history-purges.ts'
import { adminEndpoint } from './administrator.ts'

const PATH = '/_synapse/admin/v1'

const Wish = Type.Object({
  delete_local_events: Type.Optional(Type.Boolean()),
  purge_up_to_event_id: Type.Optional(Type.String()),
  purge_up_to_ts: Type.Optional(Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })),
})

/** Takes the messages of a room before a time or an event, as the administration API of Synapse has it. */
export const purgeHistoryUpTo = adminEndpoint({
  method: 'POST',
  path: `${PATH}/purge_history/{roomId}`,
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String() }),
  body: Wish,
  async handle(app, { params, body }) {
    const purge_id = await beginHistoryPurge(app, params.roomId, endOf(body), body.delete_local_events === true)
    return { purge_id }
  },
})

export const purgeHistoryBefore = adminEndpoint({
  method: 'POST',
  path: `${PATH}/purge_history/{roomId}/{eventId}`,
  rateLimit: 'other',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  body: Wish,
  async handle(app, { params, body }) {
    const { roomId, eventId } = params
    return { purge_id: await beginHistoryPurge(app, roomId, { eventId }, body.delete_local_events === true) }
  },
})

/** What fails is tried again: it is never told as failed. */
export const getPurgeHistoryStatus = adminEndpoint({
  method: 'GET',
  path: `${PATH}/purge_history_status/{purgeId}`,
  params: Type.Object({ purgeId: Type.String() }),
  async handle(app, { params }) {
    const done = await historyPurgeIsDone(app.db, params.purgeId)
    if (done === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such purge.')
    return { status: done ? 'complete' : 'active' }
  },
})

/** Errors: M_BAD_JSON where neither is given. */
function endOf({ purge_up_to_event_id: eventId, purge_up_to_ts: ts }: typeof Wish.static): PurgeEnd {
  if (eventId !== undefined) return { eventId }
  if (ts !== undefined) return { ts }
  throw new MatrixError('M_BAD_JSON', 'Either purge_up_to_event_id or purge_up_to_ts has to be given.')
}
