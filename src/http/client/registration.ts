import { Type } from '@sinclair/typebox'
import { checkUserNameFree, createAccount } from '../../actions/accounts/create-account.ts'
import { recallRegistration, rememberAccount } from '../../actions/accounts/remember-registration.ts'
import { checkGuest, upgradeGuest } from '../../actions/accounts/upgrade-guest.ts'
import { checkCredentials } from '../../actions/sessions/log-in.ts'
import type { App } from '../../app.ts'
import { userId as makeUserId, type UserId } from '../../core/ids.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Appservice } from '../../live/appservices.ts'
import { registrationTokenIsGood } from '../../store/registration-tokens.ts'
import { requireAppservice } from '../authenticate-appservice.ts'
import { endpoint } from '../endpoint.ts'
import { foldAscii } from '../identifiers.ts'
import { RegistrationToken, Token } from '../texts.ts'
import { Auth, authenticateInteractively, type Stage } from '../uia.ts'
import { addressStages } from '../uia-stages.ts'
import { APPSERVICE, DeviceWish, logIn } from './login.ts'

const NAME_BYTES = 8
/** What a session of a registration is good for. */
export const REGISTRATION = 'POST /register'

const Registration = Type.Object({
  auth: Type.Optional(Auth),
  /** Application services say so that they register. */
  type: Type.Optional(Type.String()),
  username: Type.Optional(Type.String()),
  password: Type.Optional(Type.String()),
  inhibit_login: Type.Optional(Type.Boolean()),
  guest_access_token: Type.Optional(Token),
  ...DeviceWish,
})
type Registration = typeof Registration.static

/** Client-Server API, "Account registration and management". */
export const register = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/register',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'registration',
  query: Type.Object({ kind: Type.Optional(Type.Union([Type.Literal('guest'), Type.Literal('user')])) }),
  body: Registration,
  async handle(app, { query, body: sent, ip, raw }) {
    if (sent.type === APPSERVICE) return registerGhost(app, requireAppservice(app, raw), sent)
    const guest = query.kind === 'guest'
    checkOpen(app, guest)
    const { body, userId: known } = await recalled(app, sent)
    if (known !== undefined) return answer(app, known, body)
    const localpart = guest ? randomName(app) : foldAscii(body.username ?? randomName(app))
    const upgraded = guest ? undefined : await guestToUpgrade(app, body)
    if (!guest && upgraded === undefined) await checkUserNameFree(app, localpart)
    const call = { endpoint: REGISTRATION, body, ip }
    const proofs = guest ? {} : await authenticateInteractively(app, flowsOf(app), call)
    const password = guest ? undefined : body.password
    if (upgraded !== undefined) await upgradeGuest(app, upgraded, password, proofs)
    const wish = { localpart, password, admin: false, guest, proofs }
    const userId = upgraded ?? (await createAccount(app, wish)).userId
    const { auth, ...rest } = body
    const request = { endpoint: REGISTRATION, body: rest as JsonObject, user: undefined }
    if (!guest && auth?.session !== undefined) await rememberAccount(app, auth.session, request, userId)
    return answer(app, userId, body)
  },
})

/** Application Service API, "Server admin style permissions". Errors: those of `createAccount`, M_MISSING_PARAM. */
async function registerGhost(app: App, appservice: Appservice, body: Registration): Promise<object> {
  if (body.username === undefined) throw new MatrixError('M_MISSING_PARAM', 'A user name is needed.')
  const wish = { localpart: foldAscii(body.username), password: undefined, admin: false, appservice }
  const { userId } = await createAccount(app, wish)
  return answer(app, userId, body)
}

/**
 * A client that goes on with a session may leave out what it has said before. One that repeats all of it, because the
 * answer was lost, gets the account that it made. Errors: M_FORBIDDEN when that has another password by now.
 */
async function recalled(app: App, sent: Registration): Promise<{ body: Registration; userId?: UserId }> {
  const { auth, ...rest } = sent
  if (auth?.session === undefined) return { body: sent }
  const memory = await recallRegistration(app, auth.session, REGISTRATION)
  if (memory === undefined) return { body: sent }
  if (memory.userId === undefined) {
    // The schema has read it when it came.
    return { body: Object.keys(rest).length > 0 ? sent : { ...(memory.body as Registration), auth } }
  }
  const same = canonicalJson(rest as JsonObject) === canonicalJson(memory.body)
  if (!same || sent.password === undefined) return { body: sent }
  await checkCredentials(app, memory.userId, sent.password)
  return { body: sent, userId: memory.userId }
}

async function answer(app: App, userId: UserId, body: Registration): Promise<object> {
  if (body.inhibit_login === true) return { user_id: userId, home_server: app.serverName }
  return logIn(app, userId, body)
}

export const checkUsernameAvailability = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/register/available',
  aliases: ['r0'],
  auth: 'none',
  rateLimit: 'registration',
  query: Type.Object({ username: Type.String() }),
  async handle(app, { query }) {
    await checkUserNameFree(app, query.username)
    return { available: true }
  },
})

/** A guest who registers by its own name becomes a full user. Errors: M_FORBIDDEN, M_MISSING_PARAM. */
async function guestToUpgrade(
  app: App,
  body: { readonly username?: string; readonly guest_access_token?: string },
): Promise<UserId | undefined> {
  if (body.guest_access_token === undefined) return undefined
  if (body.username === undefined) throw new MatrixError('M_MISSING_PARAM', 'A guest registers by its own user name.')
  const userId = makeUserId(foldAscii(body.username), app.serverName)
  await checkGuest(app, userId, body.guest_access_token)
  return userId
}

/** Client-Server API, "Token-authenticated registration". */
export const registrationTokenValidity = endpoint({
  method: 'GET',
  path: '/_matrix/client/v1/register/m.login.registration_token/validity',
  auth: 'none',
  rateLimit: 'registration',
  query: Type.Object({ token: RegistrationToken }),
  async handle(app, { query }) {
    checkOpen(app, false)
    return { valid: await registrationTokenIsGood(app.db, query.token, app.clock.now()) }
  },
})

/** The ways to register: what every one asks for, and then an address, or nothing more. */
export function flowsOf(app: App): readonly (readonly Stage[])[] {
  const config = app.config.client_api
  const always: Stage[] = [
    ...(config.registration_requires_token ? (['m.login.registration_token'] as const) : []),
    ...(config.enable_registration_captcha ? (['m.login.recaptcha'] as const) : []),
    ...(config.terms.length > 0 ? (['m.login.terms'] as const) : []),
  ]
  if (config.email.required_to_register) return [[...always, 'm.login.email.identity']]
  const addresses = addressStages(app)
  const byAddress = addresses.map((stage) => [...always, stage])
  // With a stage of its own, the way without an address is not the beginning of the others.
  const without: Stage[] = addresses.length > 0 || always.length === 0 ? [...always, 'm.login.dummy'] : always
  return [without, ...byAddress]
}

/** Errors: M_FORBIDDEN. */
export function checkOpen(app: App, guest: boolean): void {
  const { registration_disabled: disabled, guests_disabled: guestsDisabled } = app.config.client_api
  if (guest ? guestsDisabled : disabled) throw new MatrixError('M_FORBIDDEN', 'Registration is closed on this server.')
}

function randomName(app: App): string {
  return app.random.bytes(NAME_BYTES).toString('hex')
}
