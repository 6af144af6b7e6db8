import { type Static, Type } from '@sinclair/typebox'
import { addThreepid, removeThreepid } from '../../actions/accounts/add-threepid.ts'
import { bindThreepid, tryToUnbind, unbindThreepid } from '../../actions/accounts/bind-threepid.ts'
import { provedThreepid } from '../../actions/accounts/proved-threepid.ts'
import type { App } from '../../app.ts'
import { canonicalEmail } from '../../core/email-address.ts'
import { type Threepid, threepidsOf } from '../../store/threepids.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint, type Requester } from '../endpoint.ts'
import { ClientSecret, IdAccessToken, IdServer, SessionId } from '../texts.ts'
import { Auth } from '../uia.ts'

const ADDRESS_LENGTH_MAX = 254
const Removal = Type.Object({
  medium: Type.Union([Type.Literal('email'), Type.Literal('msisdn')]),
  address: Type.String({ maxLength: ADDRESS_LENGTH_MAX }),
  id_server: Type.Optional(IdServer),
})

/** Client-Server API, "Adding Account Administrative Contact Information". */
export const getAccount3PIDs = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/account/3pid',
  aliases: ['r0'],
  auth: 'access-token',
  async handle(app, { user }) {
    const threepids = (await threepidsOf(app.db, user.userId)).map((row) => ({
      medium: row.medium,
      address: row.address,
      validated_at: row.validated_ts,
      added_at: row.added_ts,
    }))
    return { threepids }
  },
})

export const add3PID = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/3pid/add',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({ auth: Type.Optional(Auth), client_secret: ClientSecret, sid: SessionId }),
  async handle(app, { user, body }) {
    // Before the password is asked for, and again after it.
    const proved = await provedThreepid(app, body, 'add')
    await confirmUser(app, user, { endpoint: 'POST /account/3pid/add', body })
    await addThreepid(app, user.userId, proved)
    return {}
  },
})

export const delete3pidFromAccount = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/3pid/delete',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Removal,
  async handle(app, { user, body }) {
    const threepid = threepidIn(body)
    await removeThreepid(app, user.userId, threepid)
    return unbindResult(await tryToUnbind(app, user.userId, threepid, body.id_server))
  },
})

const credentials = {
  client_secret: ClientSecret,
  sid: SessionId,
  id_server: IdServer,
  id_access_token: IdAccessToken,
}
const Credentials = Type.Object(credentials)

export const bind3PID = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/3pid/bind',
  aliases: ['r0', 'unstable'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Credentials,
  handle: (app, { user, body }) => bind(app, user, body),
})

/** The older form does the same. */
export const post3PIDs = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/3pid',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({ three_pid_creds: Credentials }),
  handle: (app, { user, body }) => bind(app, user, body.three_pid_creds),
})

export const unbind3pidFromAccount = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/account/3pid/unbind',
  aliases: ['r0', 'unstable'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Removal,
  handle: async (app, { user, body }) =>
    unbindResult(await unbindThreepid(app, user.userId, threepidIn(body), body.id_server)),
})

async function bind(app: App, user: Requester, body: Static<typeof Credentials>): Promise<object> {
  const { client_secret: clientSecret, sid, id_server: idServer, id_access_token: token } = body
  await bindThreepid(app, user.userId, { clientSecret, sid, idServer, token })
  return {}
}

function threepidIn({ medium, address }: Static<typeof Removal>): Threepid {
  return { medium, address: (medium === 'email' ? canonicalEmail(address) : undefined) ?? address }
}

function unbindResult(done: boolean) {
  return { id_server_unbind_result: done ? 'success' : 'no-support' }
}
