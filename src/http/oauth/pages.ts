import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { checkCredentials } from '../../actions/sessions/log-in.ts'
import { clientWithId } from '../../actions/sessions/oauth-clients.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { OAuthClient } from '../../core/oauth/client.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import type { UserRow } from '../../store/users.ts'
import { accountIn } from '../identifiers.ts'
import { sendPage } from '../pages.ts'
import { UserName } from '../texts.ts'
import { ACCOUNT_PATH } from './account-url.ts'
import { OAUTH_PATH } from './reply.ts'

export const LOGIN_PATH = `${OAUTH_PATH}/login`
export const SIGN_UP_PATH = `${OAUTH_PATH}/sign-up`

export const Session = Type.Object({ session: Type.String({ maxLength: 255 }) })

export const LoginForm = Type.Object({
  session: Type.String({ maxLength: 255 }),
  user: UserName,
  password: Type.String({ maxLength: 512 }),
})

/** Errors: M_INVALID_PARAM, to be shown on a page. */
export async function clientOf(app: App, clientId: string): Promise<OAuthClient> {
  try {
    return await clientWithId(app, clientId)
  } catch (error) {
    if (error instanceof OAuthError) throw new MatrixError('M_INVALID_PARAM', error.message)
    throw error
  }
}

/** A page on the way from a client's request to the question whether it may. */
interface FormPage {
  readonly client: OAuthClient
  /** The step at which the request waits. */
  readonly session: string
  readonly fault?: string
  readonly user?: string
}

export async function showLogin(app: App, reply: FastifyReply, page: FormPage): Promise<void> {
  const open = !app.config.client_api.registration_disabled
  const signUp = open ? `${SIGN_UP_PATH}?${new URLSearchParams({ session: page.session })}` : undefined
  await showForm(app, reply, OAUTH_PATH, { ...page, signUp })
}

export async function showAccountLogin(app: App, reply: FastifyReply, page: Omit<FormPage, 'client'>): Promise<void> {
  await showForm(app, reply, ACCOUNT_PATH, { ...page, client: undefined, signUp: undefined })
}

async function showForm(
  app: App,
  reply: FastifyReply,
  path: string,
  page: Omit<FormPage, 'client'> & { readonly client: OAuthClient | undefined; readonly signUp: string | undefined },
): Promise<void> {
  const query = new URLSearchParams({ session: page.session })
  const providers = [...app.remote.identityProviders.values()].map(({ config: { id, name } }) => ({
    name,
    url: `${path}/sso/${encodeURIComponent(id)}?${query}`,
  }))
  const data = { title: 'Log in', action: `${path}/login`, user: '', fault: undefined, ...page, providers }
  await sendPage(app, reply, 'oauth-login', data, { status: page.fault === undefined ? 200 : 403 })
}

export async function showSignUp(app: App, reply: FastifyReply, page: FormPage): Promise<void> {
  const login = `${LOGIN_PATH}?${new URLSearchParams({ session: page.session })}`
  const data = { title: 'Create an account', action: SIGN_UP_PATH, login, fault: undefined, ...page }
  await sendPage(app, reply, 'oauth-sign-up', data, { status: page.fault === undefined ? 200 : 400 })
}

/** The account of who logs in; or why it is not. Errors: M_LIMIT_EXCEEDED. */
export async function userByPassword(app: App, name: string, password: string): Promise<UserRow | MatrixError> {
  const address = !name.startsWith('@') && name.includes('@')
  const user = { type: 'm.id.user', user: name }
  const identifier = address ? { type: 'm.id.thirdparty', medium: 'email', address: name } : user
  try {
    const userId = await accountIn(app, { identifier })
    // By account too: who guesses has many addresses. Not by the budget of the user's clients, of which one may be
    // asking all the time for what the user comes to approve.
    app.live.rateLimiter.check(`page ${userId}`, 'login')
    return await checkCredentials(app, userId, password)
  } catch (error) {
    const wrong = ['M_FORBIDDEN', 'M_INVALID_PARAM', 'M_USER_DEACTIVATED']
    if (error instanceof MatrixError && wrong.includes(error.errcode)) return error
    throw error
  }
}
