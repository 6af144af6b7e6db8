import { Type } from '@sinclair/typebox'
import { receiveTransaction } from '../../actions/federation/receive-transaction.ts'
import { isObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

/** Server-Server API, "Transactions". */
const PDUS_MAX = 50
const EDUS_MAX = 100
/** So many PDUs and EDUs of 64 KiB, and some space. */
const BODY_BYTES = 12.5 * 1_024 * 1_024

export const sendTransaction = endpoint({
  method: 'PUT',
  path: '/_matrix/federation/v1/send/{txnId}',
  auth: 'federation-signature',
  bodyLimitBytes: BODY_BYTES,
  params: Type.Object({ txnId: Type.String({ maxLength: 255 }) }),
  async handle(app, { origin, params, content }) {
    const pdus = listIn(content, 'pdus', PDUS_MAX)
    const edus = listIn(content, 'edus', EDUS_MAX)
    return receiveTransaction(app, { origin, txnId: params.txnId, pdus, edus })
  },
})

function listIn(content: JsonValue | undefined, key: string, max: number): readonly JsonValue[] {
  const list = isObject(content) ? (own(content, key) ?? []) : undefined
  if (!Array.isArray(list)) throw new MatrixError('M_BAD_JSON', `${key} is not an array.`)
  if (list.length > max) throw new MatrixError('M_BAD_JSON', `${key} has more than ${max} entries.`)
  return list as readonly JsonValue[]
}
