import { Type } from '@sinclair/typebox'
import { sendToDevice as send } from '../../actions/keys/send-to-device.ts'
import type { JsonObject } from '../../core/json.ts'
import { endpoint, LARGE_BODY_BYTES } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'
import { checkTransactionId } from '../transaction-id.ts'

/** Client-Server API, "Send-to-Device messaging". */
export const sendToDevice = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/sendToDevice/{eventType}/{txnId}',
  aliases: ['r0', 'unstable'],
  bodyLimitBytes: LARGE_BODY_BYTES,
  auth: 'access-token',
  guest: true,
  rateLimit: 'message',
  params: Type.Object({ eventType: Type.String(), txnId: Type.String() }),
  body: Type.Object({ messages: mapOf(mapOf(Type.Object({}))) }),
  async handle(app, { user, params, body }) {
    const { eventType: type, txnId } = params
    checkTransactionId(txnId)
    const { userId, deviceId } = user
    const transaction = { userId, deviceId, endpoint: `sendToDevice ${type}`, roomId: '', txnId }
    await send(app, { sender: userId, type, messages: body.messages as unknown as JsonObject, transaction })
    return {}
  },
})
