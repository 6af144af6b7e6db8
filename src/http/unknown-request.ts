import type { FastifyReply, FastifyRequest } from 'fastify'
import { MatrixError } from '../core/matrix-error.ts'
import { sendError } from './errors.ts'

/** The parameters that may be empty at the end of a path, as in `/state/m.room.name/` and `/key/v2/server/`. */
export const MAY_BE_EMPTY: ReadonlySet<string> = new Set(['stateKey', 'fileName', 'keyId'])

export const unknownPath = () => new MatrixError('M_UNRECOGNIZED', 'There is no such endpoint.')

/**
 * Answers what no endpoint takes: 405 where the path is one of another method, and 404 elsewhere. Looking through all
 * paths on this rare occasion is cheaper than a route for each of the methods that there are not.
 */
export function unknownRequest(urls: Iterable<string>): (request: FastifyRequest, reply: FastifyReply) => FastifyReply {
  let patterns: readonly RegExp[] | undefined
  return (request, reply) => {
    patterns ??= [...urls].map(patternOf)
    const path = request.url.split('?', 1)[0] ?? ''
    const error = patterns.some((pattern) => pattern.test(path))
      ? new MatrixError('M_UNRECOGNIZED', 'The endpoint has no such method.', {}, 405)
      : unknownPath()
    return sendError(error, request, reply)
  }
}

/** Of a path in Fastify's spelling, with `:roomId` for parameters. */
function patternOf(url: string): RegExp {
  const sources = url.split('/').map((part) => {
    if (!part.startsWith(':')) return part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    return MAY_BE_EMPTY.has(part.slice(1)) ? '[^/]*' : '[^/]+'
  })
  return new RegExp(`^${sources.join('/')}$`)
}
