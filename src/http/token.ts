import type { FastifyRequest } from 'fastify'

/** Longest token looked at. */
const TOKEN_LENGTH_MAX = 1_024

/**
 * Client-Server API, "Using access tokens": the token of the header, or of the query. White space alone is no token,
 * and what is too long to be one is cut: nobody has it.
 */
export function tokenOf(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization
  const fromHeader = header?.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : undefined
  const query = (request.query as Record<string, unknown>).access_token
  const token = fromHeader ?? (typeof query === 'string' ? query.trim() : undefined)
  return token === '' ? undefined : token?.slice(0, TOKEN_LENGTH_MAX + 1)
}
