import { Type } from '@sinclair/typebox'
import { sendEvent } from '../../actions/rooms/send-event.ts'
import type { App } from '../../app.ts'
import { isEventId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { checkMayRedact } from '../suspension.ts'
import { checkTransactionId } from '../transaction-id.ts'

const Body = Type.Object({ reason: Type.Optional(Type.String()) })

/** Client-Server API, "Redactions". */
export const redactEvent = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/redact/{eventId}/{txnId}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String(), txnId: Type.String() }),
  body: Body,
  handle(app, { user, params, body }) {
    checkTransactionId(params.txnId)
    return redact(app, user, params, body)
  },
})

/** As clients of before the transaction ids still do it: each request is another event. */
export const redactEventWithoutId = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/redact/{eventId}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventId: Type.String() }),
  body: Body,
  handle: (app, { user, params, body }) => redact(app, user, params, body),
})

async function redact(
  app: App,
  user: Requester,
  { roomId, eventId: redacts, txnId }: { roomId: string; eventId: string; txnId?: string },
  { reason }: typeof Body.static,
) {
  if (!isEventId(redacts)) throw new MatrixError('M_INVALID_PARAM', `${redacts} is not an event id.`)
  await checkMayRedact(app, user, redacts)
  const { userId, deviceId } = user
  const content = reason === undefined ? {} : { reason }
  const event = { roomId, sender: userId, type: 'm.room.redaction', stateKey: null, content, redacts }
  const endpoint = `redact ${redacts}`
  const transaction = txnId === undefined ? undefined : { userId, deviceId, endpoint, roomId, txnId }
  return { event_id: await sendEvent(app, { ...event, transaction }) }
}
