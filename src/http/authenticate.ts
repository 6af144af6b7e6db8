import type { FastifyRequest } from 'fastify'
import { noteDeviceSeen } from '../actions/sessions/note-device-seen.ts'
import { noteFirstUse } from '../actions/sessions/refresh-session.ts'
import { hashToken } from '../actions/sessions/session-tokens.ts'
import type { App } from '../app.ts'
import { MatrixError, userLocked } from '../core/matrix-error.ts'
import type { Appservice } from '../live/appservices.ts'
import { sessionByToken } from '../store/sessions.ts'
import { appserviceAsking, appserviceWith, assertIdentity } from './authenticate-appservice.ts'
import type { Endpoint, Requester } from './endpoint.ts'
import { tokenOf } from './token.ts'

/**
 * Who sends the request (Client-Server API, "Using access tokens"). Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN,
 * M_USER_LOCKED, and those of `assertIdentity`.
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
  const hash = hashToken(token)
  const appservice = appserviceWith(app, hash)
  if (appservice !== undefined) {
    const asserted = await assertIdentity(app, appservice, request.query, locked === 'allowed')
    if (asserted.deviceId !== '')
      noteDeviceSeen(app, { ...asserted, ip: request.ip, userAgent: request.headers['user-agent'] })
    return asserted
  }
  const session = await sessionByToken(app.db, hash)
  if (session === undefined || session.deactivated === 1)
    throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token is not known.')
  if (session.expires_ts !== null && session.expires_ts <= app.clock.now()) {
    throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token has expired.', { soft_logout: true })
  }
  if (session.locked === 1 && locked !== 'allowed') throw userLocked()
  if (session.family !== null && session.used === 0) await noteFirstUse(app, session)
  noteDeviceSeen(app, {
    userId: session.user_id,
    deviceId: session.device_id,
    ip: request.ip,
    userAgent: request.headers['user-agent'],
  })
  return {
    userId: session.user_id,
    deviceId: session.device_id,
    sessionId: session.session,
    admin: session.kind === 'admin',
    guest: session.kind === 'guest',
    suspended: session.suspended === 1,
    oauth: session.client_id !== null,
  }
}

/** Application services alone may call. Errors: M_FORBIDDEN for users, M_MISSING_TOKEN, M_UNKNOWN_TOKEN. */
export async function authenticateAppservice(app: App, request: FastifyRequest): Promise<Appservice> {
  const appservice = appserviceAsking(app, request)
  if (appservice !== undefined) return appservice
  await authenticate(app, { auth: 'access-token', locked: 'allowed' }, request)
  throw new MatrixError('M_FORBIDDEN', 'This is for application services alone.')
}
