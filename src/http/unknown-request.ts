import type { FastifyReply, FastifyRequest } from 'fastify'
import { MatrixError } from '../core/matrix-error.ts'
import { sendError } from './errors.ts'

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
      : new MatrixError('M_UNRECOGNIZED', 'There is no such endpoint.')
    return sendError(error, request, reply)
  }
}

/** Of a path in Fastify's spelling, with `:roomId` for parameters. */
function patternOf(url: string): RegExp {
  const parts = url.split('/').filter((part) => part !== '')
  const sources = parts.map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
  return new RegExp(`^/${sources.join('/')}/?$`)
}
