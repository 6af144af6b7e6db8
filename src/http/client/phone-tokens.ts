import { Type } from '@sinclair/typebox'
import { noPhones, requestPhoneToken, submitPhoneToken } from '../../actions/accounts/prove-phone.ts'
import { publicBase, type ThreepidPurpose } from '../../actions/accounts/request-email-token.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { ClientSecret, PhoneNumber, SessionId, Token } from '../texts.ts'

const SUBMIT = '/_matrix/static/client/msisdn/submit_token'

const Request = Type.Object({
  client_secret: ClientSecret,
  country: Type.String({ pattern: '^[A-Za-z]{2}$' }),
  phone_number: PhoneNumber,
  send_attempt: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
})

/** As `email-tokens.ts`, by telephone. */
export const requestTokenToRegisterMSISDN = requestToken('register', '/_matrix/client/v3/register/msisdn/requestToken')
export const requestTokenToResetPasswordMSISDN = requestToken(
  'password',
  '/_matrix/client/v3/account/password/msisdn/requestToken',
)
export const requestTokenTo3PIDMSISDN = requestToken('add', '/_matrix/client/v3/account/3pid/msisdn/requestToken')

function requestToken(purpose: ThreepidPurpose, path: string) {
  return endpoint({
    method: 'POST',
    path,
    aliases: ['r0'],
    auth: 'none',
    rateLimit: 'registration',
    body: Request,
    async handle(app, { body }) {
      if (purpose === 'register' && app.config.client_api.registration_disabled)
        throw new MatrixError('M_FORBIDDEN', 'Registration is closed on this server.')
      const { country, phone_number: phone, client_secret: clientSecret, send_attempt: sendAttempt } = body
      const wish = { purpose, country: country.toUpperCase(), phone, clientSecret, sendAttempt }
      return { sid: await requestPhoneToken(app, wish), submit_url: `${publicBase(app)}${SUBMIT}` }
    },
  })
}

/** The `submit_url`, as Identity Service API, "Phone number associations" has it: the code of the message. */
export const submitPhoneCode = endpoint({
  method: 'POST',
  path: SUBMIT,
  auth: 'none',
  rateLimit: 'login',
  body: Type.Object({ sid: SessionId, client_secret: ClientSecret, token: Token }),
  async handle(app, { body }) {
    if (app.config.client_api.msisdn.identity_server === '') throw noPhones()
    return { success: await submitPhoneToken(app, body.sid, body.client_secret, body.token) }
  },
})
