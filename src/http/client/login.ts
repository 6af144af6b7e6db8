import { type Static, Type } from '@sinclair/typebox'
import { checkCredentials, logOut, openSession } from '../../actions/log-in.ts'
import { refreshSession } from '../../actions/refresh-session.ts'
import type { Tokens } from '../../actions/session-tokens.ts'
import type { App } from '../../app.ts'
import { isValidUserId, userId as makeUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { DeviceId, DeviceName, Token, UserName } from '../texts.ts'

/** What a client says of its device when it logs in or registers. */
export const DeviceWish = {
  device_id: Type.Optional(DeviceId),
  initial_device_display_name: Type.Optional(DeviceName),
  refresh_token: Type.Optional(Type.Boolean()),
}
const DeviceWishes = Type.Object(DeviceWish)

/** Client-Server API, "Login". */
export const getLoginFlows = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/login',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  handle: async () => ({ flows: [{ type: 'm.login.password' }] }),
})

export const login = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/login',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  body: Type.Object({
    type: Type.String(),
    identifier: Type.Optional(Type.Object({ type: Type.String(), user: Type.Optional(UserName) })),
    user: Type.Optional(UserName),
    password: Type.Optional(Type.String()),
    ...DeviceWish,
  }),
  async handle(app, { body }) {
    if (body.type !== 'm.login.password') throw new MatrixError('M_UNKNOWN', `Login type ${body.type} is not offered.`)
    if (body.identifier !== undefined && body.identifier.type !== 'm.id.user') {
      throw new MatrixError('M_UNKNOWN', `Identifier type ${body.identifier.type} is not supported.`)
    }
    const name = body.identifier?.user ?? body.user
    if (name === undefined || body.password === undefined) {
      throw new MatrixError('M_MISSING_PARAM', 'A user name and a password are needed.')
    }
    const userId = accountNamed(app, name)
    // By account too: who guesses has many addresses.
    app.live.rateLimiter.check(userId, 'login')
    await checkCredentials(app, userId, body.password)
    return logIn(app, userId, body)
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
export async function logIn(app: App, userId: UserId, wish: Static<typeof DeviceWishes>): Promise<object> {
  const { deviceId, ...tokens } = await openSession(app, userId, {
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

/** A localpart or a whole user id. Upper case is folded in ASCII alone, so that no other letter turns into one. */
function accountNamed(app: App, name: string): UserId {
  if (name.startsWith('@')) {
    if (!isValidUserId(name)) throw new MatrixError('M_INVALID_PARAM', 'This is not a user id.')
    return name
  }
  return makeUserId(foldAscii(name), app.serverName)
}

export function foldAscii(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
