import { Type } from '@sinclair/typebox'
import { issueCode } from '../../actions/sessions/authorization-codes.ts'
import { answerDevice } from '../../actions/sessions/device-codes.ts'
import { rememberStep, stepOf, type ToAddress } from '../../actions/sessions/sso-session.ts'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { placeOf, sourceOf, withAnswer } from '../../core/oauth/redirect-uri.ts'
import { type UserRow, userById } from '../../store/users.ts'
import { endpoint } from '../endpoint.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { browserOf, goTo, markBrowser, publicUrl, type Visitor } from '../sso.ts'
import { issuerAt } from './metadata.ts'
import { clientOf } from './pages.ts'
import { hasOAuth, OAUTH_PATH } from './reply.ts'

const FORM_BYTES = 4_096
const Form = Type.Object({ session: Type.String({ maxLength: 255 }), answer: Type.String({ maxLength: 255 }) })

/**
 * The user has logged in: asks whether the client may. `session` is the step at which the client's request waits.
 * Errors: M_FORBIDDEN for an account that is closed or locked, or another browser.
 */
export async function askForConsent(
  app: App,
  { raw, reply }: Visitor,
  session: string,
  account: UserId | UserRow,
): Promise<void> {
  const step = await stepOf(app, 'authorize', { id: session, browser: browserOf(raw) })
  const user = typeof account === 'string' ? await userById(app.db, account) : account
  if (user === undefined || user.deactivated === 1) throw new MatrixError('M_FORBIDDEN', 'This account is closed.')
  if (user.locked === 1) throw new MatrixError('M_FORBIDDEN', 'This account is locked.')
  const client = await clientOf(app, step.data.clientId)
  await step.take()
  const data = { ...step.data, userId: user.user_id, passwordHash: user.password_hash }
  const next = await rememberStep(app, 'consent', { provider: '', browser: markBrowser(app, raw, reply), data })
  const { to, deviceId } = step.data
  const page = {
    title: 'Let this client in?',
    action: `${OAUTH_PATH}/consent`,
    session: next,
    client,
    host: new URL(client.client_uri).host,
    place: 'redirectUri' in to ? placeOf(to.redirectUri) : undefined,
    code: 'userCode' in to ? to.userCode : undefined,
    userId: user.user_id,
    deviceId,
  }
  await sendPage(app, reply, 'oauth-consent', page, { forms: 'redirectUri' in to ? [sourceOf(to.redirectUri)] : [] })
}

/** The form of that page: the browser goes back to the client with a code or a refusal, or the user to the device. */
export const answerForConsent = endpoint({
  method: 'POST',
  path: `${OAUTH_PATH}/consent`,
  auth: 'none',
  when: hasOAuth,
  rateLimit: 'login',
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply }) =>
    withPages(app, reply, async () => {
      const form = readForm(Form, raw.body)
      const { data, take } = await stepOf(app, 'consent', { id: form.session, browser: browserOf(raw) })
      await take()
      const allowed = form.answer === 'allow'
      if ('userCode' in data.to) {
        await answerDevice(app, data.to.userCode, allowed ? data : undefined)
        return sendPage(app, reply, 'message', { title: 'Done', text: 'Go back to your device.' })
      }
      const code = allowed ? await issueCode(app, data, data.to, data) : undefined
      const refusal = { error: 'access_denied', error_description: 'The user does not let the client in.' }
      goTo(reply, answerTo(app, raw, data.to, code === undefined ? refusal : { code }))
    }),
})

/** Where the browser takes an answer to the client. */
export function answerTo(
  app: App,
  raw: Visitor['raw'],
  { redirectUri, responseMode, state }: Omit<ToAddress, 'challenge'>,
  answer: Readonly<Record<string, string>>,
): string {
  const whole = { ...answer, ...(state === null ? {} : { state }), iss: issuerAt(publicUrl(app, raw)) }
  return withAnswer(redirectUri, responseMode, whole)
}
