import type { FastifyRequest } from 'fastify'
import { MatrixError } from '../core/matrix-error.ts'

/** For parts of the push rules, whose paths are specified with a slash at their end: servers always insisted on it. */
export function needSlash(request: FastifyRequest): void {
  if (request.url.split('?', 1)[0]?.endsWith('/') !== true)
    throw new MatrixError('M_UNRECOGNIZED', 'The path ends in a slash.', {}, 400)
}
