import { type Static, Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { type OpenUia, passUiaStage, uiaOfPage } from '../../actions/sessions/continue-uia.ts'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { isAddressStage, readAddress, type SentMessage } from '../address-forms.ts'
import { providersOf } from '../confirm-user.ts'
import { endpoint } from '../endpoint.ts'
import { formFields, type PageNeeds, readForm, sendPage, withPages } from '../pages.ts'
import { RegistrationToken } from '../texts.ts'
import { type PageStage, type Stage, tryStage } from '../uia-stages.ts'

const GOOGLE_SCRIPT = 'https://www.google.com/recaptcha/api.js'
const CAPTCHA_FIELD = 'g-recaptcha-response'
const FORM_BYTES = 32_768

const Params = Type.Object({ authType: Type.String() })
const Query = Type.Object({ session: Type.String({ maxLength: 255 }) })
const Form = Type.Object({
  password: Type.Optional(Type.String({ maxLength: 512 })),
  token: Type.Optional(RegistrationToken),
})

const shared = {
  path: '/_matrix/client/v3/auth/{authType}/fallback/web',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'login',
  params: Params,
  query: Query,
} as const

/** Client-Server API, "Fallback": a page on which a stage is passed that a client has no form for. */
export const getFallbackPage = endpoint({
  ...shared,
  method: 'GET',
  handle: (app, { params, query, reply }) =>
    withPages(app, reply, async () => {
      const stage = stageNamed(params.authType)
      const uia = await openSession(app, query.session)
      if (Object.hasOwn(uia.proofs, stage)) return sendPage(app, reply, 'stage-done', DONE, { script: true })
      if (stage === 'm.login.sso') return offerProviders(app, reply, uia, query.session)
      await showStage(app, reply, stage)
    }),
})

/** The form of that page. */
export const submitFallbackPage = endpoint({
  ...shared,
  method: 'POST',
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { params, query, reply, raw, ip }) =>
    withPages(app, reply, async () => {
      const stage = stageNamed(params.authType)
      const uia = await openSession(app, query.session)
      const user = uia.userId === null ? undefined : { userId: uia.userId as UserId }
      const form = isAddressStage(stage) ? await readAddress(app, stage, uia.purpose, raw.body) : undefined
      if (form?.confirmed === false) return showStage(app, reply, stage, { sent: form })
      const auth = form === undefined ? readAuth(app, stage, raw.body) : { threepid_creds: form.creds }
      const outcome = await tryStage(app, stage, auth, { user, ip, purpose: uia.purpose })
      if ('fault' in outcome) return showStage(app, reply, stage, { fault: outcome.fault, sent: form })
      await passUiaStage(app, uia, stage, outcome.proof)
      await sendPage(app, reply, 'stage-done', DONE, { script: true })
    }),
})

const DONE = { title: 'Thank you' }

type FallbackStage = Exclude<Stage, PageStage>

const TITLES: Readonly<Record<FallbackStage, string>> = {
  'm.login.dummy': 'Go on',
  'm.login.email.identity': 'Confirm your address',
  'm.login.msisdn': 'Confirm your number',
  'm.login.password': 'Confirm that it is you',
  'm.login.recaptcha': 'Are you human?',
  'm.login.registration_token': 'Registration token',
  'm.login.sso': 'Confirm that it is you',
  'm.login.terms': 'Terms',
}

function stageNamed(name: string): FallbackStage {
  if (!Object.hasOwn(TITLES, name)) throw new MatrixError('M_NOT_FOUND', 'There is no page for this step.')
  return name as FallbackStage
}

async function openSession(app: App, id: string): Promise<OpenUia> {
  const uia = await uiaOfPage(app, id)
  if (uia !== undefined) return uia
  throw new MatrixError('M_FORBIDDEN', 'This page is too old, or used already. Go back to your client and try again.')
}

interface Shown {
  readonly fault?: string
  /** The message that an address is proved with, once it is under way. */
  readonly sent?: SentMessage | undefined
}

async function showStage(
  app: App,
  reply: FastifyReply,
  stage: FallbackStage,
  { fault, sent }: Shown = {},
): Promise<void> {
  const { client_api: config } = app.config
  const script = config.recaptcha_api_js_url || GOOGLE_SCRIPT
  const data = {
    title: TITLES[stage],
    stage,
    fault,
    sent,
    policies: config.terms.map(({ languages }) => languages.en ?? Object.values(languages)[0]),
    captcha: { script, key: config.recaptcha_public_key, css: config.recaptcha_sitekey_class || 'g-recaptcha' },
  }
  const captcha: PageNeeds = { scripts: captchaSources(script) }
  const needs = { status: fault === undefined ? 200 : 401, ...(stage === 'm.login.recaptcha' ? captcha : {}) }
  await sendPage(app, reply, 'stage', data, needs)
}

/** Forms may not lead away from this server, links may. */
async function offerProviders(app: App, reply: FastifyReply, uia: OpenUia, session: string): Promise<void> {
  const providers = (await providersOf(app, uia.userId ?? '')).map(({ id, name }) => ({
    name,
    url: `/_dendrite/client/sso/confirm/${encodeURIComponent(id)}?${new URLSearchParams({ session })}`,
  }))
  const text = 'A client that is logged in to your account wants to do something grave. If that is you, go on with:'
  await sendPage(app, reply, 'sso-providers', { title: TITLES['m.login.sso'], text, providers })
}

/** Whence the captcha's script and what it loads come. */
function captchaSources(script: string): string[] {
  const { origin } = new URL(script)
  return script === GOOGLE_SCRIPT ? [origin, 'https://www.gstatic.com'] : [origin]
}

function readAuth(app: App, stage: FallbackStage, bytes: unknown): Static<typeof Form> & { response?: string } {
  const { recaptcha_form_field: captcha, terms } = app.config.client_api
  const fields = formFields(bytes)
  if (stage === 'm.login.recaptcha') return { response: fields.get(captcha || CAPTCHA_FIELD) ?? '' }
  if (stage === 'm.login.terms' && !terms.every((_, index) => fields.has(`policy${index}`)))
    throw new MatrixError('M_MISSING_PARAM', 'Not everything is agreed to.')
  return readForm(Form, bytes)
}
