import { Type } from '@sinclair/typebox'
import { checkPassword } from '../../actions/create-account.ts'
import { deactivate } from '../../actions/deactivate.ts'
import { evacuateUser } from '../../actions/evacuate-user.ts'
import { setPassword } from '../../actions/set-password.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint } from '../endpoint.ts'
import { Auth } from '../uia.ts'

/** Client-Server API, "Current account information". */
export const getTokenOwner = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/whoami',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  handle: async (_app, { user }) => ({ user_id: user.userId, device_id: user.deviceId, is_guest: user.guest }),
})

/** Client-Server API, "Account registration and management". */
export const changePassword = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/password',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({
    auth: Type.Optional(Auth),
    new_password: Type.String(),
    logout_devices: Type.Optional(Type.Boolean()),
  }),
  async handle(app, { user, body }) {
    checkPassword(body.new_password)
    await confirmUser(app, user, { endpoint: 'POST /account/password', body })
    const onlyDevice = body.logout_devices === false ? undefined : user.deviceId
    await setPassword(app, user.userId, body.new_password, onlyDevice)
    return {}
  },
})

export const deactivateAccount = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/deactivate',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({
    auth: Type.Optional(Auth),
    id_server: Type.Optional(Type.String()),
    erase: Type.Optional(Type.Boolean()),
  }),
  async handle(app, { user, body }) {
    await confirmUser(app, user, { endpoint: 'POST /account/deactivate', body })
    await evacuateUser(app, { userId: user.userId }, () => undefined)
    await deactivate(app, user.userId, body.erase === true)
    return { id_server_unbind_result: 'no-support' }
  },
})
