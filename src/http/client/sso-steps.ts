import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { passUiaStage, uiaOfPage } from '../../actions/sessions/continue-uia.ts'
import { issueLoginToken } from '../../actions/sessions/issue-login-token.ts'
import { type Destination, rememberStep, stepOf } from '../../actions/sessions/sso-session.ts'
import { type Newcomer, registerNewcomer, userOfIdentity } from '../../actions/sessions/user-of-identity.ts'
import { departTo, returnFrom } from '../../actions/sessions/visit-provider.ts'
import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { isListed, redirectUrl, withLoginToken } from '../../core/redirect-url.ts'
import type { Identity } from '../../remote/identity-provider.ts'
import { userOfExternalId } from '../../store/sso.ts'
import { endpoint } from '../endpoint.ts'
import { foldAscii } from '../identifiers.ts'
import { openAccount } from '../oauth/account-pages.ts'
import { askForConsent } from '../oauth/consent.ts'
import { readForm, sendPage, withPages } from '../pages.ts'
import { browserOf, callbackOf, goTo, markBrowser, providerNamed, publicUrl, type Visitor } from '../sso.ts'
import { UserName } from '../texts.ts'

/** The specification says five seconds or so; a phone on a slow line takes longer to come back with it. */
const LOGIN_TOKEN_LIFETIME_MS = 20_000
const Session = Type.Object({ session: Type.String({ maxLength: 255 }) })
const Provider = Type.Object({ idpId: Type.String() })

/** Client-Server API, "Handling the callback from the Authentication server". */
export const ssoCallback = endpoint({
  method: 'GET',
  path: '/_dendrite/client/sso/callback/{idpId}',
  auth: 'none',
  rateLimit: 'login',
  params: Provider,
  handle: (app, { params, ...visitor }) =>
    withPages(app, visitor.reply, async () => {
      const provider = providerNamed(app, params.idpId)
      const answer = new URL(visitor.raw.url, 'http://localhost').searchParams
      const { purpose, identity } = await returnFrom(app, provider, { browser: browserOf(visitor.raw), answer })
      if ('uia' in purpose) return confirmUser(app, visitor, { uia: purpose.uia, provider: params.idpId, identity })
      const user = await userOfIdentity(app, provider.config, identity)
      if (typeof user === 'string') return goOn(app, visitor, user, purpose)
      await askForName(app, visitor, user, purpose)
    }),
})

/** The form of who could not be given the name that the provider says. */
export const ssoChooseName = endpoint({
  method: 'POST',
  path: '/_dendrite/client/sso/name',
  auth: 'none',
  rateLimit: 'registration',
  handle: (app, visitor) =>
    withPages(app, visitor.reply, async () => {
      const form = readForm(
        Type.Object({ session: Type.String({ maxLength: 255 }), username: UserName }),
        visitor.raw.body,
      )
      const step = await stepOf(app, 'name', { id: form.session, browser: browserOf(visitor.raw) })
      const { destination, subject, displayName } = step.data
      const newcomer = { external: { provider: step.provider, subject }, displayName }
      const userId = await registered(app, newcomer, form.username)
      if (userId instanceof MatrixError) return showNameForm(app, visitor.reply, form.session, userId.message)
      await step.take()
      await goOn(app, visitor, userId, destination)
    }),
})

/** Who was shown the client that wants the login, and agrees. */
export const ssoContinue = endpoint({
  method: 'GET',
  path: '/_dendrite/client/sso/continue',
  auth: 'none',
  rateLimit: 'login',
  query: Session,
  handle: (app, { query, raw, reply }) =>
    withPages(app, reply, async () => {
      const step = await stepOf(app, 'confirm', { id: query.session, browser: browserOf(raw) })
      await step.take()
      await handOver(app, reply, step.data)
    }),
})

/** Client-Server API, "Single Sign-On" among the authentication types: a user confirms who they are at a provider. */
export const ssoConfirmUser = endpoint({
  method: 'GET',
  path: '/_dendrite/client/sso/confirm/{idpId}',
  auth: 'none',
  rateLimit: 'login',
  params: Provider,
  query: Session,
  handle: (app, { params, query, raw, reply }) =>
    withPages(app, reply, async () => {
      const provider = providerNamed(app, params.idpId)
      const departure = {
        purpose: { uia: query.session },
        browser: markBrowser(app, raw, reply),
        callback: callbackOf(app, raw, provider),
        registers: false,
      }
      goTo(reply, await departTo(app, provider, departure))
    }),
})

interface Confirmation {
  readonly uia: string
  readonly provider: string
  readonly identity: Identity
}

/** The session has to be of the user whom the provider speaks of. Errors: M_FORBIDDEN. */
async function confirmUser(app: App, { reply }: Visitor, { uia: id, provider, identity }: Confirmation): Promise<void> {
  const uia = await uiaOfPage(app, id)
  const userId = await userOfExternalId(app.db, { provider, subject: identity.subject })
  if (uia === undefined || userId === undefined || uia.userId !== userId) {
    throw new MatrixError('M_FORBIDDEN', 'You are somebody else there than here. Go back to your client and try again.')
  }
  await passUiaStage(app, uia, 'm.login.sso', '')
  await sendPage(app, reply, 'stage-done', { title: 'Thank you' }, { script: true })
}

async function goOn(app: App, visitor: Visitor, userId: UserId, destination: Destination): Promise<void> {
  if ('redirectUrl' in destination) return toClient(app, visitor, { userId, ...destination })
  if ('account' in destination) return openAccount(app, visitor, destination.account, userId)
  await askForConsent(app, visitor, destination.authorization, userId)
}

interface Arrival {
  readonly userId: string
  readonly redirectUrl: string
}

/** A client that is not on the list gets nothing before the user has seen who it is. */
async function toClient(app: App, { raw, reply }: Visitor, destination: Arrival): Promise<void> {
  const url = new URL(destination.redirectUrl)
  const ownPage = `${publicUrl(app, raw)}/_matrix/static/client/login`
  if (isListed(url, [ownPage, ...app.config.client_api.sso.client_whitelist])) {
    return handOver(app, reply, destination)
  }
  const browser = markBrowser(app, raw, reply)
  const session = await rememberStep(app, 'confirm', { provider: '', browser, data: destination })
  const data = {
    title: 'Continue to your client',
    userId: destination.userId,
    // An app has no host that says anything, so that the scheme does.
    client: url.host === '' || !url.protocol.startsWith('http') ? url.href : url.host,
    url: `/_dendrite/client/sso/continue?${new URLSearchParams({ session })}`,
  }
  await sendPage(app, reply, 'sso-confirm', data)
}

async function handOver(app: App, reply: FastifyReply, { userId, redirectUrl: text }: Arrival): Promise<void> {
  const url = redirectUrl(text)
  if (url === undefined) throw new MatrixError('M_INVALID_PARAM', 'redirectUrl is not the URL of a client.')
  goTo(reply, withLoginToken(url, await issueLoginToken(app, userId, LOGIN_TOKEN_LIFETIME_MS)))
}

async function askForName(
  app: App,
  { raw, reply }: Visitor,
  newcomer: Newcomer,
  destination: Destination,
): Promise<void> {
  const { external, displayName } = newcomer
  const browser = markBrowser(app, raw, reply)
  const data = { destination, subject: external.subject, displayName }
  const session = await rememberStep(app, 'name', { provider: external.provider, browser, data })
  await showNameForm(app, reply, session, undefined)
}

function showNameForm(app: App, reply: FastifyReply, session: string, fault: string | undefined): Promise<void> {
  const data = { title: 'Choose your user name', session, fault }
  return sendPage(app, reply, 'sso-name', data, { status: fault === undefined ? 200 : 400 })
}

async function registered(app: App, newcomer: Newcomer, name: string): Promise<UserId | MatrixError> {
  try {
    return await registerNewcomer(app, newcomer, foldAscii(name))
  } catch (error) {
    if (error instanceof MatrixError && ['M_USER_IN_USE', 'M_INVALID_USERNAME'].includes(error.errcode)) return error
    throw error
  }
}
