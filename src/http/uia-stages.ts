import { provedThreepid } from '../actions/accounts/proved-threepid.ts'
import type { ThreepidPurpose } from '../actions/accounts/request-email-token.ts'
import { checkCaptcha } from '../actions/sessions/check-captcha.ts'
import { checkCredentials } from '../actions/sessions/log-in.ts'
import type { App } from '../app.ts'
import type { Config } from '../config/schema.ts'
import { isValidUserId, userId as makeUserId } from '../core/ids.ts'
import { type Errcode, MatrixError } from '../core/matrix-error.ts'
import { registrationTokenIsGood } from '../store/registration-tokens.ts'
import type { Requester } from './endpoint.ts'
import { foldAscii } from './identifiers.ts'
import type { AuthData } from './uia.ts'

export type Stage =
  | 'm.login.dummy'
  | 'm.login.email.identity'
  | 'm.login.msisdn'
  | 'm.login.password'
  | 'm.login.recaptcha'
  | 'm.login.registration_token'
  | 'm.login.sso'
  | 'm.login.terms'
  | PageStage

/** Passed in the account management alone; and its name from before the specification had it (MSC4312). */
export type PageStage = 'm.oauth' | 'org.matrix.cross_signing_reset'

export interface Caller {
  readonly user: Pick<Requester, 'userId'> | undefined
  readonly ip: string | undefined
  readonly purpose?: ThreepidPurpose | undefined
}

/** What is kept of a stage that is passed; or why it is not. */
type Outcome = { readonly proof: string } | { readonly fault: string; readonly errcode?: Errcode }

const PASSED: Outcome = { proof: '' }

/** Client-Server API, "Authentication types". Errors: M_FORBIDDEN for the credentials of another user. */
export async function tryStage(app: App, stage: Stage, auth: AuthData, caller: Caller): Promise<Outcome> {
  switch (stage) {
    case 'm.login.dummy':
      return PASSED
    case 'm.login.email.identity':
    case 'm.login.msisdn':
      return tryThreepid(app, stage, auth.threepid_creds, caller.purpose)
    case 'm.login.password':
      return tryPassword(app, auth, caller.user)
    case 'm.login.recaptcha':
      return tryCaptcha(app, auth.response, caller.ip)
    case 'm.login.registration_token':
      return tryToken(app, auth.token)
    case 'm.login.sso':
    case 'm.oauth':
    case 'org.matrix.cross_signing_reset':
      return { fault: 'This is done on a page, in the browser.' }
    case 'm.login.terms':
      return { proof: termsVersion(app.config) }
  }
}

/** The stages in which an address is proved, as far as this server can. */
export function addressStages({ remote, config }: App): Stage[] {
  return [
    ...(remote.mailer === undefined ? [] : (['m.login.email.identity'] as const)),
    ...(config.client_api.msisdn.identity_server === '' ? [] : (['m.login.msisdn'] as const)),
  ]
}

/**
 * Stages that a client may pass where no flow asks for them: they use nothing up, and say nothing of an account. A
 * captcha has another server asked: for who registers, and tells us the address that it takes, alone.
 */
export function freeStages({ config: { client_api: config } }: App, ip: string | undefined): Stage[] {
  return [
    'm.login.dummy',
    ...(config.terms.length > 0 ? (['m.login.terms'] as const) : []),
    ...(config.recaptcha_private_key !== '' && ip !== undefined ? (['m.login.recaptcha'] as const) : []),
  ]
}

/** What the client has to know to pass the stages. `approval` is where the user may approve, for those of pages. */
export function paramsOf(app: App, stages: ReadonlySet<Stage>, approval: string | undefined): object {
  return {
    ...(stages.has('m.oauth') && { 'm.oauth': { url: approval } }),
    ...(stages.has('org.matrix.cross_signing_reset') && { 'org.matrix.cross_signing_reset': { url: approval } }),
    ...(stages.has('m.login.recaptcha') && {
      'm.login.recaptcha': { public_key: app.config.client_api.recaptcha_public_key },
    }),
    ...(stages.has('m.login.terms') && { 'm.login.terms': { policies: policiesOf(app.config) } }),
  }
}

function policiesOf({ client_api: { terms } }: Config): object {
  return Object.fromEntries(terms.map(({ id, version, languages }) => [id, { version, ...languages }]))
}

/** What a new user agreed to, as it is kept with the account. */
export function termsVersion({ client_api: { terms } }: Config): string {
  return terms.map(({ id, version }) => `${id} ${version}`).join(', ')
}

async function tryToken(app: App, token: string | undefined): Promise<Outcome> {
  const good = token !== undefined && (await registrationTokenIsGood(app.db, token, app.clock.now()))
  return good ? { proof: token } : { fault: 'The registration token is not known, used up or too old.' }
}

async function tryThreepid(
  app: App,
  stage: Stage,
  creds: AuthData['threepid_creds'],
  purpose: ThreepidPurpose | undefined,
): Promise<Outcome> {
  if (creds === undefined || purpose === undefined) return { fault: 'An address has to be confirmed.' }
  try {
    const { sid, medium } = await provedThreepid(app, creds, purpose)
    const fits = (stage === 'm.login.msisdn') === (medium === 'msisdn')
    return fits ? { proof: sid } : { fault: `This stage takes another address than ${medium}.` }
  } catch (error) {
    if (error instanceof MatrixError) return { fault: error.message, errcode: error.errcode }
    throw error
  }
}

async function tryCaptcha(app: App, response: string | undefined, ip: string | undefined): Promise<Outcome> {
  if (response === undefined) return { fault: 'The captcha has to be solved.', errcode: 'M_CAPTCHA_NEEDED' }
  if (await checkCaptcha(app, response, ip)) return PASSED
  return { fault: 'The captcha is not solved.', errcode: 'M_CAPTCHA_INVALID' }
}

async function tryPassword(app: App, auth: AuthData, user: Caller['user']): Promise<Outcome> {
  const wrong = { fault: 'Wrong user name or password.' }
  const name = auth.identifier?.user ?? auth.user
  if (user === undefined || auth.password === undefined) return wrong
  if (name !== undefined) {
    const named = isValidUserId(name) ? name : makeUserId(foldAscii(name), app.serverName)
    // Whoever stole a token has a password that works, only not this one: nothing is gained by another try.
    if (named !== user.userId) throw new MatrixError('M_FORBIDDEN', 'Authenticate as the user of the access token.')
  }
  try {
    await checkCredentials(app, user.userId, auth.password)
    return PASSED
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_FORBIDDEN') return wrong
    throw error
  }
}
