import { MatrixError } from '../core/matrix-error.ts'

const MAX_BYTES = 255

/** Errors: M_INVALID_PARAM for a transaction id that is too long to be kept. */
export function checkTransactionId(txnId: string): void {
  if (Buffer.byteLength(txnId) > MAX_BYTES)
    throw new MatrixError('M_INVALID_PARAM', `A transaction id has at most ${MAX_BYTES} bytes.`)
}
