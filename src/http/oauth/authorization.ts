import { type Static, Type } from '@sinclair/typebox'
import { type AuthorizationRequest, rememberStep, stepOf, type ToAddress } from '../../actions/sessions/sso-session.ts'
import { departTo } from '../../actions/sessions/visit-provider.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import { isRegistered, placeOf } from '../../core/oauth/redirect-uri.ts'
import { readScope } from '../../core/oauth/scope.ts'
import { endpoint } from '../endpoint.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { browserOf, callbackOf, goTo, markBrowser, providerNamed, type Visitor } from '../sso.ts'
import { answerTo, askForConsent } from './consent.ts'
import { clientOf, LOGIN_PATH, LoginForm, Session, showLogin, showSignUp, userByPassword } from './pages.ts'
import { hasOAuth, OAUTH_PATH } from './reply.ts'
import { ClientId, Redirect } from './token.ts'

const FORM_BYTES = 8_192
const SCOPE_LENGTH_MAX = 2_048
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/

const word = Type.Optional(Type.String({ maxLength: 255 }))
const Request = Type.Object({
  client_id: ClientId,
  redirect_uri: Redirect,
  response_type: word,
  response_mode: word,
  scope: Type.Optional(Type.String({ maxLength: SCOPE_LENGTH_MAX })),
  state: Type.Optional(Type.String({ maxLength: SCOPE_LENGTH_MAX })),
  code_challenge: word,
  code_challenge_method: word,
  prompt: word,
  login_hint: word,
})
type Request = Static<typeof Request>

const shared = { auth: 'none', when: hasOAuth, rateLimit: 'login' } as const

/**
 * Client-Server API, "Authorisation code flow"; RFC 6749, section 4.1.1. Nobody is sent anywhere unasked: any site may
 * register as a client, and would have a link on this server that leads to it (RFC 9700, section 4.11.2).
 */
export const authorizeClient = endpoint({
  ...shared,
  method: 'GET',
  path: `${OAUTH_PATH}/authorize`,
  query: Request,
  handle: (app, { query, raw, reply }) =>
    withPages(app, reply, async () => {
      const client = await clientOf(app, query.client_id)
      if (!isRegistered(client.redirect_uris, query.redirect_uri))
        throw new MatrixError('M_INVALID_PARAM', 'The client has not registered the address it wants you to return to.')
      const request = readRequest(query)
      if (request instanceof OAuthError) return refuse(app, { raw, reply }, query, request)
      const browser = markBrowser(app, raw, reply)
      const session = await rememberStep(app, 'authorize', { provider: '', browser, data: request })
      const creates = query.prompt?.split(' ').includes('create') === true
      const show = creates && !app.config.client_api.registration_disabled ? showSignUp : showLogin
      await show(app, reply, { client, session, user: userHinted(query.login_hint) })
    }),
})

/** The page on which the user logs in. */
export const getOAuthLogin = endpoint({
  ...shared,
  method: 'GET',
  path: LOGIN_PATH,
  query: Session,
  handle: (app, { query: { session }, raw, reply }) =>
    withPages(app, reply, async () => {
      const step = await stepOf(app, 'authorize', { id: session, browser: browserOf(raw) })
      await showLogin(app, reply, { client: await clientOf(app, step.data.clientId), session })
    }),
})

export const submitOAuthLogin = endpoint({
  ...shared,
  method: 'POST',
  path: LOGIN_PATH,
  bodyLimitBytes: FORM_BYTES,
  handle: (app, { raw, reply }) =>
    withPages(app, reply, async () => {
      const { session, user, password } = readForm(LoginForm, raw.body)
      const step = await stepOf(app, 'authorize', { id: session, browser: browserOf(raw) })
      const account = await userByPassword(app, user.trim(), password)
      if (!(account instanceof MatrixError)) return askForConsent(app, { raw, reply }, session, account)
      const client = await clientOf(app, step.data.clientId)
      await showLogin(app, reply, { client, session, fault: account.message, user })
    }),
})

/** To a provider of single sign-on, which sends the browser back to the page that asks for consent. */
export const getOAuthProvider = endpoint({
  ...shared,
  method: 'GET',
  path: `${OAUTH_PATH}/sso/{idpId}`,
  params: Type.Object({ idpId: Type.String() }),
  query: Session,
  handle: (app, { params, query: { session }, raw, reply }) =>
    withPages(app, reply, async () => {
      const provider = providerNamed(app, params.idpId)
      await stepOf(app, 'authorize', { id: session, browser: browserOf(raw) })
      const departure = {
        purpose: { authorization: session },
        browser: markBrowser(app, raw, reply),
        callback: callbackOf(app, raw, provider),
        registers: false,
      }
      goTo(reply, await departTo(app, provider, departure))
    }),
})

/** The user whom the client expects, as `mxid:@alice:example.org` (MSC4198): the form is filled in, no more. */
function userHinted(hint = ''): string {
  return hint.startsWith('mxid:') ? hint.slice('mxid:'.length) : ''
}

/** PKCE is not left out and not weakened (RFC 9700, section 2.1.1). */
function readRequest(query: Request): AuthorizationRequest | OAuthError {
  try {
    const { response_type: type = '', response_mode: mode = 'query', code_challenge: challenge = '' } = query
    if (type !== 'code') return new OAuthError('unsupported_response_type', 'The response type is code.')
    if (mode !== 'query' && mode !== 'fragment')
      return new OAuthError('invalid_request', 'The response mode is query or fragment.')
    if (query.code_challenge_method !== 'S256' || !CHALLENGE.test(challenge))
      return new OAuthError('invalid_request', 'A code challenge is needed, by the method S256.')
    const { granted, deviceId } = readScope(query.scope ?? '')
    const { client_id: clientId, redirect_uri: redirectUri, state = null } = query
    const to: ToAddress = { redirectUri, responseMode: mode, state, challenge }
    return { clientId, scope: granted, deviceId, to }
  } catch (error) {
    if (error instanceof OAuthError) return error
    throw error
  }
}

/** The client's own fault, which the browser takes to it by a link. */
async function refuse(app: App, { raw, reply }: Visitor, query: Request, error: OAuthError): Promise<void> {
  const { redirect_uri: redirectUri, state = null } = query
  const responseMode = query.response_mode === 'fragment' ? 'fragment' : 'query'
  const answer = { error: error.code, error_description: error.message }
  const url = answerTo(app, raw, { redirectUri, responseMode, state }, answer)
  const link = { url, label: `Back to ${placeOf(redirectUri)}` }
  await sendPage(app, reply, 'message', { title: 'This did not work', text: error.message, link }, { status: 400 })
}
