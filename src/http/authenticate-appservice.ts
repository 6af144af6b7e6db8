import type { FastifyRequest } from 'fastify'
import { hashToken } from '../actions/sessions/session-tokens.ts'
import type { App } from '../app.ts'
import { MatrixError, userLocked } from '../core/matrix-error.ts'
import type { Appservice } from '../live/appservices.ts'
import { deviceOf } from '../store/devices.ts'
import { userById } from '../store/users.ts'
import type { Requester } from './endpoint.ts'
import { tokenOf } from './token.ts'

/** The application service whose token the request bears; undefined: it has another token, or none. */
export function appserviceAsking(app: App, request: FastifyRequest): Appservice | undefined {
  if (app.appservices.all.length === 0) return undefined
  const token = tokenOf(request)
  return token === undefined ? undefined : appserviceWith(app, hashToken(token))
}

/** By the hash of its token. That it is alive is noted. */
export function appserviceWith(app: App, hash: Uint8Array): Appservice | undefined {
  const appservice = app.appservices.byTokenHash(hash)
  if (appservice !== undefined) app.live.appserviceSigns.note(appservice.id, 'heard')
  return appservice
}

/** What takes the token of an application service. Errors: M_MISSING_TOKEN, M_UNKNOWN_TOKEN. */
export function requireAppservice(app: App, request: FastifyRequest): Appservice {
  if (tokenOf(request) === undefined)
    throw new MatrixError('M_MISSING_TOKEN', 'The token of an application service is needed.')
  const appservice = appserviceAsking(app, request)
  if (appservice === undefined) throw new MatrixError('M_UNKNOWN_TOKEN', 'No application service has this token.')
  return appservice
}

/** Names of the device in the query: that of version 1.17 of the specification, and what bridges wrote before. */
export const DEVICE_PARAMETERS = ['device_id', 'org.matrix.msc3202.device_id']

/**
 * In whose name an application service speaks (Application Service API, "Identity assertion"): its sender, or the user
 * of the query. Errors: M_FORBIDDEN for users that are not in its namespaces or not registered, M_UNKNOWN_DEVICE,
 * M_USER_DEACTIVATED, M_USER_LOCKED, M_INVALID_PARAM.
 */
export async function assertIdentity(
  app: App,
  appservice: Appservice,
  query: unknown,
  evenIfLocked: boolean,
): Promise<Requester> {
  const wanted = textIn(query, 'user_id')
  const userId = wanted ?? appservice.senderId
  const user = appservice.hasUser(userId) ? await userById(app.db, userId) : undefined
  if (user === undefined)
    throw new MatrixError('M_FORBIDDEN', `The application service has no registered user ${userId}.`)
  if (user.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', 'This account is deactivated.')
  if (user.locked === 1 && !evenIfLocked) throw userLocked()
  const [deviceId = ''] = DEVICE_PARAMETERS.flatMap((name) => textIn(query, name) ?? [])
  if (deviceId !== '' && (await deviceOf(app.db, userId, deviceId)) === undefined)
    throw new MatrixError('M_UNKNOWN_DEVICE', `${userId} has no device ${deviceId}.`)
  return {
    userId: user.user_id,
    deviceId,
    sessionId: NO_SESSION,
    admin: user.kind === 'admin',
    guest: user.kind === 'guest',
    suspended: user.suspended === 1,
    appservice,
  }
}

const NO_SESSION = 0

function textIn(query: unknown, name: string): string | undefined {
  const value = (query as Record<string, unknown>)[name]
  if (value === undefined || typeof value === 'string') return value
  throw new MatrixError('M_INVALID_PARAM', `${name} is given more than once.`)
}
