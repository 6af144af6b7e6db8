import { MatrixError } from '../../core/matrix-error.ts'
import type { Requester } from '../endpoint.ts'

/** Errors: M_FORBIDDEN for who is no administrator, who learns nothing else. */
export function checkAdministrator(user: Requester): void {
  if (!user.admin) throw new MatrixError('M_FORBIDDEN', 'This is for administrators.')
}
