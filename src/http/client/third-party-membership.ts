import { MatrixError } from '../../core/matrix-error.ts'

/** The answer to invites by e-mail address or telephone number: no identity server is asked. */
export function noAddresses(): MatrixError {
  return new MatrixError('M_THREEPID_DENIED', 'This server invites users by their user ids alone.')
}
