import { Type } from '@sinclair/typebox'
import { sendEvent } from '../../actions/send-event.ts'
import { sendState } from '../../actions/send-state.ts'
import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { checkMaySend } from '../suspension.ts'
import { checkTransactionId } from '../transaction-id.ts'

const Content = Type.Record(Type.String(), Type.Unknown())

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
    checkTransactionId(txnId)
    const transaction = { userId: user.userId, deviceId: user.deviceId, endpoint: 'send', roomId, txnId }
    const content = body as JsonObject
    await checkMaySend(app, user, params.eventType, content)
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
  suspended: 'refused',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String(), stateKey: Type.String() }),
  body: Content,
  handle: (app, { user, params, body }) => setState(app, user, params, body),
})

export const setRoomState = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/state/{eventType}',
  aliases: ['r0'],
  auth: 'access-token',
  suspended: 'refused',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String() }),
  body: Content,
  handle: (app, { user, params, body }) => setState(app, user, { ...params, stateKey: '' }, body),
})

async function setState(
  app: App,
  { userId: sender, guest }: Requester,
  { roomId, eventType: type, stateKey }: { roomId: string; eventType: string; stateKey: string },
  body: object,
) {
  const content = body as JsonObject
  return { event_id: await sendState(app, { roomId, sender, guest, type, stateKey, content }) }
}
