import { Type } from '@sinclair/typebox'
import { sendEvent } from '../../actions/rooms/send-event.ts'
import { sendState } from '../../actions/rooms/send-state.ts'
import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { checkMaySend } from '../suspension.ts'
import { checkTransactionId } from '../transaction-id.ts'

const Content = Type.Record(Type.String(), Type.Unknown())
/** Application Service API, "Timestamp massaging": who is none may write what they like. */
const Timestamp = Type.Object({ ts: Type.Optional(Type.Unknown()) })
type Timestamp = typeof Timestamp.static

/** Client-Server API, "Sending events to a room". */
export const sendMessage = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}/{txnId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String(), txnId: Type.String() }),
  query: Timestamp,
  body: Content,
  async handle(app, { user, params, query, body }) {
    checkTransactionId(params.txnId)
    return send(app, user, { ...params, ...query }, body)
  },
})

/** As clients of before the transaction ids still do it: each request is another event. */
export const sendMessageWithoutId = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/rooms/{roomId}/send/{eventType}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ roomId: Type.String(), eventType: Type.String() }),
  query: Timestamp,
  body: Content,
  handle: (app, { user, params, query, body }) => send(app, user, { ...params, ...query }, body),
})

async function send(
  app: App,
  user: Requester,
  { roomId, eventType: type, txnId, ts }: Timestamp & { roomId: string; eventType: string; txnId?: string },
  body: object,
) {
  const { userId, deviceId } = user
  const content = body as JsonObject
  await checkMaySend(app, user, type, content)
  const event = { roomId, sender: userId, type, stateKey: null, content, originServerTs: timestampOf(user, { ts }) }
  const transaction = txnId === undefined ? undefined : { userId, deviceId, endpoint: 'send', roomId, txnId }
  return { event_id: await sendEvent(app, { ...event, transaction }) }
}

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
  query: Timestamp,
  body: Content,
  handle: (app, { user, params, query, body }) => setState(app, user, { ...params, ...query }, body),
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
  query: Timestamp,
  body: Content,
  handle: (app, { user, params, query, body }) => setState(app, user, { ...params, ...query, stateKey: '' }, body),
})

async function setState(
  app: App,
  user: Requester,
  { roomId, eventType: type, stateKey, ts }: Timestamp & { roomId: string; eventType: string; stateKey: string },
  body: object,
) {
  const { userId: sender, guest } = user
  const originServerTs = timestampOf(user, { ts })
  return {
    event_id: await sendState(app, {
      roomId,
      sender,
      guest,
      type,
      stateKey,
      content: body as JsonObject,
      originServerTs,
    }),
  }
}

/** When an application service says that an event was sent. Errors: M_INVALID_PARAM. */
function timestampOf({ appservice }: Requester, { ts }: Timestamp): number | undefined {
  if (appservice === undefined || ts === undefined) return undefined
  const time = typeof ts === 'string' && /^\d{1,16}$/.test(ts) ? Number(ts) : Number.NaN
  if (Number.isSafeInteger(time)) return time
  throw new MatrixError('M_INVALID_PARAM', 'ts is no time in milliseconds since 1970.')
}
