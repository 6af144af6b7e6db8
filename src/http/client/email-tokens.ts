import { type Static, Type } from '@sinclair/typebox'
import { confirmEmail, emailQuestion } from '../../actions/accounts/confirm-email.ts'
import { requestEmailToken, type ThreepidPurpose } from '../../actions/accounts/request-email-token.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { endpoint } from '../endpoint.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { ClientSecret, Email, SessionId, Token } from '../texts.ts'

const LINK_LENGTH_MAX = 2_048

const Request = Type.Object({
  client_secret: ClientSecret,
  email: Email,
  send_attempt: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
  next_link: Type.Optional(Type.String({ maxLength: LINK_LENGTH_MAX })),
})

/** Client-Server API, "Account registration and management" and "Adding Account Administrative Contact Information". */
export const requestTokenToRegisterEmail = requestToken('/_matrix/client/v3/register/email/requestToken', 'register')
export const requestTokenToResetPasswordEmail = requestToken(
  '/_matrix/client/v3/account/password/email/requestToken',
  'password',
)
export const requestTokenTo3PIDEmail = requestToken('/_matrix/client/v3/account/3pid/email/requestToken', 'add')

function requestToken(path: string, purpose: ThreepidPurpose) {
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
      return { sid: await requestEmailToken(app, wishOf(body, purpose)) }
    },
  })
}

function wishOf(body: Static<typeof Request>, purpose: ThreepidPurpose) {
  const { email, client_secret: clientSecret, send_attempt: sendAttempt, next_link: nextLink } = body
  return { purpose, email, clientSecret, sendAttempt, nextLink }
}

const PATH = '/_matrix/static/client/email/submit_token'
const Link = Type.Object({ sid: SessionId, token: Token })

/** The link of a mail. Looking at it confirms nothing: programs that look for viruses follow links, too. */
export const showEmailToken = endpoint({
  method: 'GET',
  path: PATH,
  auth: 'none',
  rateLimit: 'login',
  query: Link,
  handle: (app, { query, reply }) =>
    withPages(app, reply, async () => {
      const question = await emailQuestion(app, query.sid, query.token)
      if (question === undefined) throw tooOld()
      const title = question.purpose === 'password' ? 'Set a new password' : 'Confirm your address'
      const data = { ...query, title, purpose: question.purpose, address: question.address }
      // A browser takes the redirection after a form for a part of its target.
      const forms = question.nextLink === null ? [] : [new URL(question.nextLink).origin]
      await sendPage(app, reply, 'confirm-email', data, { forms })
    }),
})

export const submitEmailToken = endpoint({
  method: 'POST',
  path: PATH,
  auth: 'none',
  rateLimit: 'login',
  handle: (app, { raw, reply }) =>
    withPages(app, reply, async () => {
      const { sid, token } = readForm(Link, raw.body)
      const question = await emailQuestion(app, sid, token)
      if (question === undefined || !(await confirmEmail(app, sid, token))) throw tooOld()
      if (question.nextLink !== null) return void reply.redirect(question.nextLink, 303)
      const text = 'Your address is confirmed. You may close this page and go on in your client.'
      await sendPage(app, reply, 'message', { title: 'Thank you', text })
    }),
})

function tooOld(): MatrixError {
  const text =
    'This link is used already, or too old, or a newer mail was sent. If you confirmed it, go on in your client.'
  return new MatrixError('M_FORBIDDEN', text)
}
