import { Type } from '@sinclair/typebox'
import { addThreepid, removeThreepid } from '../../actions/add-threepid.ts'
import { provedThreepid } from '../../actions/proved-threepid.ts'
import { canonicalEmail } from '../../core/email-address.ts'
import { threepidsOf } from '../../store/threepids.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint } from '../endpoint.ts'
import { ClientSecret, SessionId } from '../texts.ts'
import { Auth } from '../uia.ts'

const ADDRESS_LENGTH_MAX = 254
const Medium = Type.Union([Type.Literal('email'), Type.Literal('msisdn')])

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
  body: Type.Object({ medium: Medium, address: Type.String({ maxLength: ADDRESS_LENGTH_MAX }) }),
  async handle(app, { user, body: { medium, address } }) {
    const canonical = medium === 'email' ? canonicalEmail(address) : address
    await removeThreepid(app, user.userId, { medium, address: canonical ?? address })
    return { id_server_unbind_result: 'no-support' }
  },
})
