import { Type } from '@sinclair/typebox'
import { requestPhoneToken, submitPhoneToken } from '../actions/accounts/prove-phone.ts'
import type { ThreepidCredentials } from '../actions/accounts/proved-threepid.ts'
import { requestEmailToken, type ThreepidPurpose } from '../actions/accounts/request-email-token.ts'
import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { formFields, readForm } from './pages.ts'
import { ClientSecret, Email, PhoneNumber, SessionId, Token } from './texts.ts'
import type { Stage } from './uia-stages.ts'

type AddressStage = 'm.login.email.identity' | 'm.login.msisdn'

/** A message to an address is under way; `to` is shown to who waits for it. */
export interface SentMessage {
  readonly creds: ThreepidCredentials
  readonly to: string
}

/** `confirmed`: who fills in the form says that they have done what the message asks for. */
type Filled = SentMessage & { readonly confirmed: boolean }

const SECRET_BYTES = 24
const To = Type.Optional(Type.String({ maxLength: 300 }))
const EmailForm = Type.Object({ email: Email })
const PhoneForm = Type.Object({ country: Type.String({ pattern: '^[A-Za-z]{2}$' }), phone_number: PhoneNumber })
const SentForm = Type.Object({ sid: SessionId, client_secret: ClientSecret, to: To, code: Type.Optional(Token) })

export function isAddressStage(stage: Stage): stage is AddressStage {
  return stage === 'm.login.email.identity' || stage === 'm.login.msisdn'
}

/**
 * Reads one of the two forms by which an address is proved on a page: the first asks for the message, the second says
 * that it came. Errors: those of the actions, M_FORBIDDEN for a session that wants no address.
 */
export async function readAddress(
  app: App,
  stage: AddressStage,
  purpose: ThreepidPurpose | undefined,
  bytes: unknown,
): Promise<Filled> {
  if (purpose === undefined) throw new MatrixError('M_FORBIDDEN', 'No address is asked for here.')
  if (!formFields(bytes).has('sid')) return { ...(await askForMessage(app, stage, purpose, bytes)), confirmed: false }
  const { to = '', code, ...creds } = readForm(SentForm, bytes)
  if (stage === 'm.login.msisdn') await submitPhoneToken(app, creds.sid, creds.client_secret, code ?? '')
  return { creds, to, confirmed: true }
}

async function askForMessage(
  app: App,
  stage: AddressStage,
  purpose: ThreepidPurpose,
  bytes: unknown,
): Promise<SentMessage> {
  const clientSecret = app.random.bytes(SECRET_BYTES).toString('base64url')
  const wish = { purpose, clientSecret, sendAttempt: 1 }
  if (stage === 'm.login.email.identity') {
    const { email } = readForm(EmailForm, bytes)
    const sid = await requestEmailToken(app, { ...wish, email, nextLink: undefined })
    return { creds: { sid, client_secret: clientSecret }, to: email }
  }
  const { country, phone_number: phone } = readForm(PhoneForm, bytes)
  const sid = await requestPhoneToken(app, { ...wish, country: country.toUpperCase(), phone })
  return { creds: { sid, client_secret: clientSecret }, to: phone }
}
