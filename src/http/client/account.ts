import { Type } from '@sinclair/typebox'
import { closeAccount } from '../../actions/accounts/close-account.ts'
import { checkPassword } from '../../actions/accounts/create-account.ts'
import { provedBySession } from '../../actions/accounts/proved-threepid.ts'
import { resetPassword } from '../../actions/accounts/reset-password.ts'
import { setPassword } from '../../actions/accounts/set-password.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint } from '../endpoint.ts'
import { IdServer } from '../texts.ts'
import { Auth, authenticateInteractively } from '../uia.ts'
import { addressStages } from '../uia-stages.ts'

/** Client-Server API, "Current account information". */
export const getTokenOwner = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/whoami',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  handle: async (_app, { user }) => ({
    user_id: user.userId,
    ...(user.deviceId !== '' && { device_id: user.deviceId }),
    is_guest: user.guest,
  }),
})

const PasswordChange = Type.Object({
  auth: Type.Optional(Auth),
  new_password: Type.String(),
  logout_devices: Type.Optional(Type.Boolean()),
})
type PasswordChange = typeof PasswordChange.static

/** Client-Server API, "Account registration and management". */
export const changePassword = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/password',
  aliases: ['r0'],
  auth: 'access-token-optional',
  rateLimit: 'login',
  body: PasswordChange,
  async handle(app, { user, body }) {
    checkPassword(body.new_password)
    const call = { endpoint: 'POST /account/password', body }
    if (user === undefined) return resetByAddress(app, call)
    await confirmUser(app, user, call)
    const onlyDevice = body.logout_devices === false ? undefined : user.deviceId
    await setPassword(app, user.userId, body.new_password, onlyDevice)
    return {}
  },
})

/** Who has forgotten the password proves an address of the account instead. */
async function resetByAddress(app: App, call: { endpoint: string; body: PasswordChange }): Promise<object> {
  const flows = addressStages(app).map((stage) => [stage])
  if (flows.length === 0)
    throw new MatrixError('M_FORBIDDEN', 'Without an access token it takes a message, and this server sends none.')
  const proofs = await authenticateInteractively(app, flows, call)
  const proved = await provedBySession(app, proofs['m.login.email.identity'] ?? proofs['m.login.msisdn'] ?? '')
  await resetPassword(app, proved, call.body.new_password, call.body.logout_devices === false)
  return {}
}

export const deactivateAccount = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/deactivate',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({
    auth: Type.Optional(Auth),
    id_server: Type.Optional(IdServer),
    erase: Type.Optional(Type.Boolean()),
  }),
  async handle(app, { user, body }) {
    const ghost = user.appservice !== undefined && user.appservice === app.appservices.ownerOfUser(user.userId)
    if (!ghost) await confirmUser(app, user, { endpoint: 'POST /account/deactivate', body })
    const unbound = await closeAccount(app, user.userId, body.erase === true, body.id_server)
    return { id_server_unbind_result: unbound ? 'success' : 'no-support' }
  },
})
