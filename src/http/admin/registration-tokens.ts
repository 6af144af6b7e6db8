import { Type } from '@sinclair/typebox'
import {
  changeRegistrationToken,
  issueRegistrationToken,
  revokeRegistrationToken,
} from '../../actions/accounts/registration-tokens.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type RegistrationTokenRow, registrationToken, registrationTokens } from '../../store/registration-tokens.ts'
import { RegistrationToken } from '../texts.ts'
import { adminEndpoint } from './administrator.ts'

const PATH = '/_synapse/admin/v1/registration_tokens'
const LENGTH_DEFAULT = 16
const LENGTH_MAX = 64

const Params = Type.Object({ token: RegistrationToken })
/** null: as often and as long as wanted. */
const Limits = {
  uses_allowed: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
  expiry_time: Type.Optional(Type.Union([Type.Integer({ minimum: 0 }), Type.Null()])),
}

/** Tokens to register with, as the administration API of Synapse has them. */
export const listRegistrationTokens = adminEndpoint({
  method: 'GET',
  path: PATH,
  query: Type.Object({ valid: Type.Optional(Type.Boolean()) }),
  async handle(app, { query }) {
    return { registration_tokens: (await registrationTokens(app.db, app.clock.now(), query.valid)).map(wire) }
  },
})

export const getRegistrationToken = adminEndpoint({
  method: 'GET',
  path: `${PATH}/{token}`,
  params: Params,
  async handle(app, { params }) {
    const row = await registrationToken(app.db, params.token)
    if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such token.')
    return wire(row)
  },
})

export const createRegistrationToken = adminEndpoint({
  method: 'POST',
  path: `${PATH}/new`,
  rateLimit: 'other',
  body: Type.Object({
    token: Type.Optional(RegistrationToken),
    length: Type.Optional(Type.Integer({ minimum: 1, maximum: LENGTH_MAX })),
    ...Limits,
  }),
  async handle(app, { body }) {
    const { token, length = LENGTH_DEFAULT, uses_allowed: usesAllowed = null, expiry_time: expiresMs = null } = body
    return wire(await issueRegistrationToken(app, { token, length, usesAllowed, expiresMs }))
  },
})

export const updateRegistrationToken = adminEndpoint({
  method: 'PUT',
  path: `${PATH}/{token}`,
  rateLimit: 'other',
  params: Params,
  body: Type.Object(Limits),
  async handle(app, { params, body }) {
    const { uses_allowed: usesAllowed, expiry_time: expiresMs } = body
    return wire(await changeRegistrationToken(app, params.token, { usesAllowed, expiresMs }))
  },
})

export const deleteRegistrationToken = adminEndpoint({
  method: 'DELETE',
  path: `${PATH}/{token}`,
  rateLimit: 'other',
  params: Params,
  async handle(app, { params }) {
    await revokeRegistrationToken(app, params.token)
    return {}
  },
})

function wire({ token, uses_allowed, pending, completed, expires_ts }: RegistrationTokenRow) {
  return { token, uses_allowed, pending, completed, expiry_time: expires_ts }
}
