import type { FastifyReply, FastifyRequest } from 'fastify'
import { StorageAway } from '../blobs/blobs.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { DatabaseUnavailable } from '../db/database.ts'
import { UnstorableText } from '../db/errors.ts'

const RETRY_AFTER_S = 5

/** Answers with the standard error response; what is our own fault is logged and told without detail. */
export function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof MatrixError) {
    const waitMs = error.extra.retry_after_ms
    if (typeof waitMs === 'number') reply.header('Retry-After', String(Math.ceil(waitMs / 1_000)))
    return sendJson(reply, error.status, { ...error.extra, errcode: error.errcode, error: error.message })
  }
  if (error instanceof DatabaseUnavailable) {
    reply.header('Retry-After', String(RETRY_AFTER_S))
    return sendJson(reply, 503, { errcode: 'M_UNKNOWN', error: 'The database cannot take requests now; try again.' })
  }
  if (error instanceof StorageAway) {
    request.log.error({ err: error }, 'media cannot be stored or read now')
    reply.header('Retry-After', String(error.retryAfterS))
    return sendJson(reply, 503, { errcode: 'M_UNKNOWN', error: 'Files cannot be stored or read now; try again.' })
  }
  // What is stored of a client is checked where it is read; this is for what it only asks for.
  if (error instanceof UnstorableText)
    return sendJson(reply, 400, { errcode: 'M_INVALID_PARAM', error: 'A text holds a NUL.' })
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown }
  if (statusCode === 413)
    return sendJson(reply, 413, { errcode: 'M_TOO_LARGE', error: 'The request body is too large.' })
  if (code === 'FST_ERR_BAD_URL' || code === 'FST_ERR_MAX_PARAM_LENGTH')
    return sendJson(reply, 400, { errcode: 'M_INVALID_PARAM', error: 'The path cannot be read.' })
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return sendJson(reply, statusCode, { errcode: 'M_UNKNOWN', error: 'The request cannot be read.' })
  }
  request.log.error({ err: error }, 'a request failed')
  return sendJson(reply, 500, { errcode: 'M_UNKNOWN', error: 'Internal server error.' })
}

function sendJson(reply: FastifyReply, status: number, body: unknown): FastifyReply {
  return reply.code(status).header('Content-Type', 'application/json').send(JSON.stringify(body))
}
