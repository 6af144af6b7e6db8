import type { FastifyRequest } from 'fastify'
import { MatrixError } from '../core/matrix-error.ts'

/** For the few paths that are specified with a slash at their end: servers have always insisted on it. */
export function needSlash(request: FastifyRequest, status: 400 | 404): void {
  if (request.url.split('?', 1)[0]?.endsWith('/') !== true)
    throw new MatrixError('M_UNRECOGNIZED', 'The path ends in a slash.', {}, status)
}
