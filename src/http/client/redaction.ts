import { Type } from '@sinclair/typebox'
import { sendEvent } from '../../actions/send-event.ts'
import { isEventId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { checkMayRedact } from '../suspension.ts'
import { checkTransactionId } from '../transaction-id.ts'

/** Client-Server API, "Redactions". */
export const redactEvent = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String(), txnId: Type.String() }),
  body: Type.Object({ reason: Type.Optional(Type.String()) }),
  async handle(app, { user, params, body }) {
    const { roomId, eventId: redacts, txnId } = params
    checkTransactionId(txnId)
    if (!isEventId(redacts)) throw new MatrixError('M_INVALID_PARAM', `${redacts} is not an event id.`)
    await checkMayRedact(app, user, redacts)
    const eventId = await sendEvent(app, {
      roomId,
      sender: user.userId,
      type: 'm.room.redaction',
      stateKey: null,
      content: body.reason === undefined ? {} : { reason: body.reason },
      redacts,
      transaction: { userId: user.userId, deviceId: user.deviceId, endpoint: `redact ${redacts}`, roomId, txnId },
    })
    return { event_id: eventId }
  },
})
