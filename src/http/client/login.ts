import { Type } from '@sinclair/typebox'
import { checkCredentials, logOut, openSession } from '../../actions/log-in.ts'
import type { App } from '../../app.ts'
import { isValidUserId, userId as makeUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'

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
    identifier: Type.Optional(Type.Object({ type: Type.String(), user: Type.Optional(Type.String()) })),
    user: Type.Optional(Type.String()),
    password: Type.Optional(Type.String()),
    device_id: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
    initial_device_display_name: Type.Optional(Type.String({ maxLength: 100 })),
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
    await checkCredentials(app, userId, body.password)
    const opened = await openSession(app, userId, {
      deviceId: body.device_id,
      displayName: body.initial_device_display_name,
    })
    return {
      user_id: opened.userId,
      access_token: opened.accessToken,
      device_id: opened.deviceId,
      home_server: app.serverName,
    }
  },
})

export const logout = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/logout',
  aliases: ['r0'],
  auth: 'access-token',
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
  guest: true,
  async handle(app, { user }) {
    await logOut(app, user.userId, null)
    return {}
  },
})

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
