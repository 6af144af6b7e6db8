import { Type } from '@sinclair/typebox'
import { sendEvent } from '../../actions/send-event.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

const Content = Type.Record(Type.String(), Type.Unknown())
const MAX_TXN_ID_BYTES = 255

/** Client-Server API, "Sending events to a room". */
export const sendMessage = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String(), txnId: Type.String() }),
  body: Content,
  async handle(app, { user, params, body }) {
    const { roomId, txnId } = params
    if (Buffer.byteLength(txnId) > MAX_TXN_ID_BYTES) {
      throw new MatrixError('M_INVALID_PARAM', `A transaction id has at most ${MAX_TXN_ID_BYTES} bytes.`)
    }
    const transaction = { userId: user.userId, deviceId: user.deviceId, endpoint: 'send', roomId, txnId }
    const content = body as JsonObject
    const eventId = await sendEvent(app, {
      roomId,
      sender: user.userId,
      type: params.eventType,
      stateKey: null,
      content,
      transaction,
    })
    return { event_id: eventId }
  },
})

/** An empty state key travels as a path that ends with the type. */
export const setRoomStateWithKey = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String(), stateKey: Type.String() }),
  body: Content,
  async handle(app, { user, params, body }) {
    const { roomId, eventType: type, stateKey } = params
    const eventId = await sendEvent(app, { roomId, sender: user.userId, type, stateKey, content: body as JsonObject })
    return { event_id: eventId }
  },
})

export const setRoomState = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String() }),
  body: Content,
  async handle(app, { user, params, body }) {
    const { roomId, eventType: type } = params
    const eventId = await sendEvent(app, {
      roomId,
      sender: user.userId,
      type,
      stateKey: '',
      content: body as JsonObject,
    })
    return { event_id: eventId }
  },
})
