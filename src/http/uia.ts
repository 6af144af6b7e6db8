import { Type } from '@sinclair/typebox'
import { beginUia, type UiaRequest } from '../actions/begin-uia.ts'
import { finishUia } from '../actions/finish-uia.ts'
import { checkCredentials } from '../actions/log-in.ts'
import type { App } from '../app.ts'
import { isValidUserId, userId as makeUserId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { registrationTokenIsGood } from '../store/registration-tokens.ts'
import { foldAscii } from './client/login.ts'
import type { Requester } from './endpoint.ts'
import { RegistrationToken } from './texts.ts'

export const Auth = Type.Object({
  type: Type.Optional(Type.String()),
  session: Type.Optional(Type.String({ maxLength: 255 })),
  identifier: Type.Optional(Type.Object({ type: Type.String(), user: Type.Optional(Type.String()) })),
  user: Type.Optional(Type.String()),
  password: Type.Optional(Type.String({ maxLength: 512 })),
  token: Type.Optional(RegistrationToken),
})

export type AuthData = typeof Auth.static
export type Stage = 'm.login.dummy' | 'm.login.password' | 'm.login.registration_token'

/**
 * Client-Server API, "User-Interactive Authentication API", with one stage: returns once the caller has passed it.
 * A session that is given has to be of this very request. A client that knows the stage may pass it without one: what
 * it proves, it proves in this request, and nothing of it is remembered for another.
 * Errors: the 401 that names the stage; 403 M_FORBIDDEN for the credentials of another user, or another session.
 */
export async function authenticateInteractively(
  app: App,
  stage: Stage,
  call: { endpoint: string; body: { auth?: AuthData }; user?: Requester },
): Promise<void> {
  const { auth, ...body } = call.body
  const request: UiaRequest = { endpoint: call.endpoint, body: body as JsonObject, user: call.user }
  if (auth?.type === undefined) throw await challenge(app, stage, request)
  if (auth.type !== stage) throw await challenge(app, stage, request, 'This stage is not offered.')
  if (stage === 'm.login.password' && !(await passwordIsRight(app, auth, call.user))) {
    throw await challenge(app, stage, request, 'Wrong user name or password.')
  }
  if (stage === 'm.login.registration_token' && !(await tokenIsGood(app, auth.token))) {
    throw await challenge(app, stage, request, 'The registration token is not known, used up or too old.')
  }
  if (auth.session !== undefined) await finishUia(app, auth.session, request)
}

/** A failed try gets a new session: the earlier one may be of another request. */
async function challenge(app: App, stage: Stage, request: UiaRequest, fault?: string): Promise<MatrixError> {
  const session = await beginUia(app, request)
  const extra = { session, flows: [{ stages: [stage] }], params: {}, completed: [] }
  if (fault !== undefined) return new MatrixError('M_FORBIDDEN', fault, extra, 401)
  return new MatrixError('M_UNAUTHORIZED', 'Authentication is needed.', extra, 401)
}

async function tokenIsGood(app: App, token: string | undefined): Promise<boolean> {
  return token !== undefined && (await registrationTokenIsGood(app.db, token, app.clock.now()))
}

async function passwordIsRight(app: App, auth: AuthData, user: Requester | undefined): Promise<boolean> {
  const name = auth.identifier?.user ?? auth.user
  if (user === undefined || auth.password === undefined) return false
  if (name !== undefined) {
    const named = isValidUserId(name) ? name : makeUserId(foldAscii(name), app.serverName)
    // Whoever stole a token has a password that works, only not this one: nothing is gained by another try.
    if (named !== user.userId) throw new MatrixError('M_FORBIDDEN', 'Authenticate as the user of the access token.')
  }
  try {
    await checkCredentials(app, user.userId, auth.password)
    return true
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_FORBIDDEN') return false
    throw error
  }
}
