import type { FastifyRequest } from 'fastify'
import { noteDeviceSeen } from '../actions/note-device-seen.ts'
import { noteFirstUse } from '../actions/refresh-session.ts'
import { hashToken } from '../actions/session-tokens.ts'
import type { App } from '../app.ts'
import { MatrixError, userLocked } from '../core/matrix-error.ts'
import { sessionByToken } from '../store/sessions.ts'
import type { Endpoint, Requester } from './endpoint.ts'

/** Longest token looked at. */
const MAX_TOKEN_LENGTH = 1_024

/**
 * Who sends the request (Client-Server API, "Using access tokens"). Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN,
 * M_USER_LOCKED.
 */
export async function authenticate(
  app: App,
  { auth, locked }: Pick<Endpoint, 'auth' | 'locked'>,
  request: FastifyRequest,
): Promise<Requester | undefined> {
  if (auth === 'none') return undefined
  const token = tokenOf(request)
  if (token === undefined) {
    if (auth === 'access-token-optional') return undefined
    throw new MatrixError('M_MISSING_TOKEN', 'An access token is needed.')
  }
  const session = token.length > MAX_TOKEN_LENGTH ? undefined : await sessionByToken(app.db, hashToken(token))
  if (session === undefined || session.deactivated === 1)
    throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token is not known.')
  if (session.expires_ts !== null && session.expires_ts <= app.clock.now()) {
    throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token has expired.', { soft_logout: true })
  }
  if (session.locked === 1 && locked !== 'allowed') throw userLocked()
  if (session.family !== null && session.used === 0) await noteFirstUse(app, session)
  noteDeviceSeen(app, { userId: session.user_id, deviceId: session.device_id, ip: request.ip })
  return {
    userId: session.user_id,
    deviceId: session.device_id,
    sessionId: session.session,
    admin: session.kind === 'admin',
    guest: session.kind === 'guest',
    suspended: session.suspended === 1,
  }
}

/** White space alone is no token. */
function tokenOf(request: FastifyRequest): string | undefined {
  const header = request.headers.authorization
  const fromHeader = header?.startsWith('Bearer ') ? header.slice('Bearer '.length).trim() : undefined
  const query = (request.query as Record<string, unknown>).access_token
  const token = fromHeader ?? (typeof query === 'string' ? query.trim() : undefined)
  return token === '' ? undefined : token
}
