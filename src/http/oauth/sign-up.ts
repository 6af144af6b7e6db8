import { Type } from '@sinclair/typebox'
import { checkPassword, checkUserNameFree, createAccount } from '../../actions/accounts/create-account.ts'
import { recallRegistration } from '../../actions/accounts/remember-registration.ts'
import { stepOf } from '../../actions/sessions/sso-session.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { checkOpen, flowsOf, REGISTRATION } from '../client/registration.ts'
import { endpoint } from '../endpoint.ts'
import { foldAscii } from '../identifiers.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { browserOf, type Visitor } from '../sso.ts'
import { UserName } from '../texts.ts'
import { authenticateInteractively } from '../uia.ts'
import { askForConsent } from './consent.ts'
import { clientOf, Session, SIGN_UP_PATH, showSignUp } from './pages.ts'
import { hasOAuth } from './reply.ts'

const FORM_BYTES = 8_192
const SessionText = Type.String({ maxLength: 255 })
const Password = Type.String({ maxLength: 1_024 })
const NameForm = Type.Object({ session: SessionText, username: UserName, password: Password, repeated: Password })
/** Of who came back from the stages of the registration; `uia` remembers name and password. */
const StagesForm = Type.Object({ session: SessionText, uia: SessionText })
const AnyForm = Type.Object({ session: SessionText, uia: Type.Optional(SessionText) })

const shared = { path: SIGN_UP_PATH, auth: 'none', when: hasOAuth } as const

/** Client-Server API, "User registration": the page on which a user makes an account, on the way to a client. */
export const getOAuthSignUp = endpoint({
  ...shared,
  method: 'GET',
  rateLimit: 'login',
  query: Session,
  handle: (app, { query: { session }, raw, reply }) =>
    withPages(app, reply, async () => {
      checkOpen(app, false)
      const step = await stepOf(app, 'authorize', { id: session, browser: browserOf(raw) })
      await showSignUp(app, reply, { client: await clientOf(app, step.data.clientId), session })
    }),
})

export const submitOAuthSignUp = endpoint({
  ...shared,
  method: 'POST',
  rateLimit: 'registration',
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply, ip }) =>
    withPages(app, reply, async () => {
      checkOpen(app, false)
      const { session, uia } = readForm(AnyForm, raw.body)
      const step = await stepOf(app, 'authorize', { id: session, browser: browserOf(raw) })
      const client = await clientOf(app, step.data.clientId)
      try {
        const wish = uia === undefined ? await newWish(app, raw.body) : await recalled(app, raw.body)
        await askForConsent(app, { raw, reply }, session, await register(app, wish, ip))
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error
        if (error.extra.session !== undefined) return showStages(app, reply, session, error)
        if (!AGAIN.has(error.errcode)) throw error
        await showSignUp(app, reply, { client, session, fault: error.message })
      }
    }),
})

/** What somebody can mend who fills in the form once more. */
const AGAIN: ReadonlySet<string> = new Set([
  ...['M_EXCLUSIVE', 'M_INVALID_USERNAME', 'M_USER_IN_USE', 'M_WEAK_PASSWORD', 'M_BAD_JSON', 'M_INVALID_PARAM'],
])

interface Wish {
  readonly username: string
  readonly password: string
  readonly uia?: string
}

async function newWish(app: App, bytes: unknown): Promise<Wish> {
  const { username, password, repeated } = readForm(NameForm, bytes)
  if (password !== repeated) throw new MatrixError('M_INVALID_PARAM', 'The two passwords are not the same.')
  checkPassword(password)
  await checkUserNameFree(app, foldAscii(username))
  return { username: foldAscii(username), password }
}

async function recalled(app: App, bytes: unknown): Promise<Wish> {
  const { uia } = readForm(StagesForm, bytes)
  const { username, password } = ((await recallRegistration(app, uia, REGISTRATION))?.body ?? {}) as Partial<Wish>
  if (typeof username === 'string' && typeof password === 'string') return { username, password, uia }
  throw new MatrixError('M_FORBIDDEN', 'This registration is too old. Go back to your client and try again.')
}

/** As `POST /register` does. Errors: the 401 that names the stages, and those of `createAccount`. */
async function register(app: App, { uia, ...body }: Wish, ip: string) {
  const flows = flowsOf(app)
  const dummy = flows[0]?.includes('m.login.dummy') === true ? { type: 'm.login.dummy' } : {}
  const auth = { ...dummy, ...(uia === undefined ? {} : { session: uia }) }
  const proofs = await authenticateInteractively(app, flows, { endpoint: REGISTRATION, body: { ...body, auth }, ip })
  const account = { localpart: body.username, password: body.password, admin: false, proofs }
  return (await createAccount(app, account)).userId
}

const NAMES: Readonly<Record<string, string>> = {
  'm.login.email.identity': 'Confirm your address',
  'm.login.msisdn': 'Confirm your number',
  'm.login.recaptcha': 'Show that you are human',
  'm.login.registration_token': 'Enter your registration token',
  'm.login.terms': 'Read and agree to the terms',
}

/** The stages have pages of their own; this one waits until all are passed. */
async function showStages(app: App, reply: Visitor['reply'], session: string, { extra }: MatrixError): Promise<void> {
  const uia = String(extra.session)
  const completed = extra.completed as readonly string[]
  const stages = (flowsOf(app)[0] ?? [])
    .filter((stage) => stage !== 'm.login.dummy')
    .map((stage) => ({
      name: NAMES[stage] ?? stage,
      done: completed.includes(stage),
      url: `/_matrix/client/v3/auth/${stage}/fallback/web?${new URLSearchParams({ session: uia })}`,
    }))
  await sendPage(app, reply, 'oauth-stages', { title: 'Almost there', action: SIGN_UP_PATH, session, uia, stages })
}
