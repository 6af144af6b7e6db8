import { type Static, Type } from '@sinclair/typebox'
import { issueLoginToken } from '../../actions/sessions/issue-login-token.ts'
import { checkCredentials, logOut, openSession } from '../../actions/sessions/log-in.ts'
import { refreshSession } from '../../actions/sessions/refresh-session.ts'
import type { Tokens } from '../../actions/sessions/session-tokens.ts'
import { spendLoginToken } from '../../actions/sessions/spend-login-token.ts'
import { userOfJwt } from '../../actions/sessions/user-of-jwt.ts'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Appservice } from '../../live/appservices.ts'
import { type UserRow, userById } from '../../store/users.ts'
import { requireAppservice } from '../authenticate-appservice.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint } from '../endpoint.ts'
import { accountIn, Identification } from '../identifiers.ts'
import { DeviceId, DeviceName, Token } from '../texts.ts'
import { Auth } from '../uia.ts'

/** What a client says of its device when it logs in or registers. */
export const DeviceWish = {
  device_id: Type.Optional(DeviceId),
  initial_device_display_name: Type.Optional(DeviceName),
  refresh_token: Type.Optional(Type.Boolean()),
}
const DeviceWishes = Type.Object(DeviceWish)

/** It begins at `/login/sso/redirect`, and ends with a token. */
const SSO = 'm.login.sso'
const TOKEN = 'm.login.token'
/** A JSON Web Token names the user: what Synapse calls it, and the specification does not know. */
const JWT = 'org.matrix.login.jwt'
/** The token of an application service opens the accounts in its namespaces. */
export const APPSERVICE = 'm.login.application_service'
const JWT_LENGTH_MAX = 16_384

const Login = Type.Object({
  type: Type.String(),
  ...Identification,
  password: Type.Optional(Type.String()),
  token: Type.Optional(Type.String({ maxLength: JWT_LENGTH_MAX })),
  ...DeviceWish,
})
type Login = typeof Login.static

/** Client-Server API, "Login". */
export const getLoginFlows = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  handle: async (app) => ({ flows: loginFlows(app) }),
})

export const login = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/login',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  body: Login,
  async handle(app, { body, raw }) {
    const byAppservice = body.type === APPSERVICE
    const userId = byAppservice
      ? await userOfAppservice(app, requireAppservice(app, raw), body)
      : userLoggingIn(app, body)
    return logIn(app, await userId, body)
  },
})

async function userLoggingIn(app: App, body: Login): Promise<UserId | UserRow> {
  const offered = body.type !== SSO && loginFlows(app).some(({ type }) => type === body.type)
  if (!offered) throw new MatrixError('M_UNKNOWN', `Login type ${body.type} is not offered.`)
  if (body.type === 'm.login.password') return userByPassword(app, body)
  if (body.token === undefined) throw new MatrixError('M_MISSING_PARAM', 'A token is needed.')
  return body.type === JWT ? userOfJwt(app, body.token) : spendLoginToken(app, body.token)
}

/** Application Service API, "Server admin style permissions". Errors: M_EXCLUSIVE, M_FORBIDDEN. */
async function userOfAppservice(app: App, appservice: Appservice, body: Login): Promise<UserId> {
  const userId = await accountIn(app, body)
  if (!appservice.hasUser(userId))
    throw new MatrixError('M_EXCLUSIVE', `${userId} is not in a namespace of the application service.`)
  const user = await userById(app.db, userId)
  if (user === undefined) throw new MatrixError('M_FORBIDDEN', `${userId} is not registered.`)
  return user.user_id
}

async function userByPassword(app: App, body: Login): Promise<UserRow> {
  const userId = await accountIn(app, body)
  if (body.password === undefined) throw new MatrixError('M_MISSING_PARAM', 'A password is needed.')
  // By account too: who guesses has many addresses.
  app.live.rateLimiter.check(userId, 'login')
  return checkCredentials(app, userId, body.password)
}

function loginFlows(app: App) {
  const { get_login_token: getToken, jwt } = app.config.client_api
  const providers = [...app.remote.identityProviders.values()].map(({ config }) => config)
  const sso = {
    type: SSO,
    identity_providers: providers.map(({ id, name, icon, brand }) => ({
      id,
      name,
      ...(icon !== '' && { icon }),
      ...(brand !== '' && { brand }),
    })),
  }
  return [
    { type: 'm.login.password' },
    ...(providers.length > 0 ? [sso] : []),
    ...(getToken.enabled ? [{ type: TOKEN, get_login_token: true }] : providers.length > 0 ? [{ type: TOKEN }] : []),
    ...(jwt.enabled ? [{ type: JWT }] : []),
    ...(app.appservices.all.length > 0 ? [{ type: APPSERVICE }] : []),
  ]
}

/** Client-Server API, "Obtaining a login token": one more device of a user who is logged in already. */
export const generateLoginToken = endpoint({
  method: 'POST',
  path: '/_matrix/client/v1/login/get_token',
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({ auth: Type.Optional(Auth) }),
  async handle(app, { user, body }) {
    const { enabled, lifetime } = app.config.client_api.get_login_token
    if (!enabled) throw new MatrixError('M_UNRECOGNIZED', 'Login tokens are not offered.')
    await confirmUser(app, user, { endpoint: 'POST /login/get_token', body })
    return { login_token: await issueLoginToken(app, user.userId, lifetime), expires_in_ms: lifetime }
  },
})

/** Client-Server API, "Refreshing access tokens". */
export const refresh = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/refresh',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  body: Type.Object({ refresh_token: Token }),
  handle: async (app, { body }) => wireTokens(await refreshSession(app, body.refresh_token)),
})

export const logout = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout',
  aliases: ['r0'],
  auth: 'access-token',
  locked: 'allowed',
  guest: true,
  async handle(app, { user }) {
    await logOut(app, user.userId, user.deviceId)
    return {}
  },
})

export const logoutAll = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout/all',
  aliases: ['r0'],
  auth: 'access-token',
  locked: 'allowed',
  guest: true,
  async handle(app, { user }) {
    await logOut(app, user.userId, null)
    return {}
  },
})

/** Opens a session as the body wishes, and answers as login and registration do. */
export async function logIn(app: App, user: UserId | UserRow, wish: Static<typeof DeviceWishes>): Promise<object> {
  const { userId, deviceId, ...tokens } = await openSession(app, user, {
    deviceId: wish.device_id,
    displayName: wish.initial_device_display_name,
    refreshable: wish.refresh_token,
  })
  return { user_id: userId, device_id: deviceId, home_server: app.serverName, ...wireTokens(tokens) }
}

function wireTokens({ accessToken, refreshToken, expiresInMs }: Tokens) {
  return {
    access_token: accessToken,
    ...(refreshToken !== undefined && { refresh_token: refreshToken, expires_in_ms: expiresInMs }),
  }
}
