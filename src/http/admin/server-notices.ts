import { Type } from '@sinclair/typebox'
import { sendServerNotice } from '../../actions/rooms/send-server-notice.ts'
import type { App } from '../../app.ts'
import { isHistoricalUserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { checkTransactionId } from '../transaction-id.ts'
import { checkAdministrator } from './administrator.ts'

const PATH = '/_synapse/admin/v1/send_server_notice'

const Body = Type.Object({
  user_id: Type.String(),
  content: Type.Record(Type.String(), Type.Unknown()),
  type: Type.Optional(Type.String()),
  state_key: Type.Optional(Type.String()),
})

/** Tells a user something in the server's name, as the administration API of Synapse has it. */
export const postServerNotice = endpoint({
  method: 'POST',
  path: PATH,
  auth: 'access-token',
  body: Body,
  handle: (app, { user, body }) => notify(app, user, body, undefined),
})

/** The same once for each transaction id. */
export const putServerNotice = endpoint({
  method: 'PUT',
  path: `${PATH}/{txnId}`,
  auth: 'access-token',
  params: Type.Object({ txnId: Type.String() }),
  body: Body,
  async handle(app, { user, params: { txnId }, body }) {
    checkTransactionId(txnId)
    return notify(app, user, body, txnId)
  },
})

async function notify(app: App, user: Requester, body: (typeof Body)['static'], txnId: string | undefined) {
  checkAdministrator(user)
  const { user_id: userId, content, type = 'm.room.message', state_key: stateKey = null } = body
  if (!isHistoricalUserId(userId)) throw new MatrixError('M_INVALID_PARAM', `${userId} is not a user id.`)
  const notice = { userId, type, stateKey, content: content as JsonObject }
  if (txnId === undefined) return { event_id: await sendServerNotice(app, notice) }
  const { userId: admin, deviceId } = user
  const transaction = { userId: admin, deviceId, endpoint: 'send_server_notice', roomId: userId, txnId }
  return { event_id: await sendServerNotice(app, { ...notice, transaction }) }
}
