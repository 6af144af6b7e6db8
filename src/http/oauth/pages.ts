import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { clientWithId } from '../../actions/oauth-clients.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { OAuthClient } from '../../core/oauth/client.ts'
import { OAuthError } from '../../core/oauth/error.ts'
import { sendPage } from '../pages.ts'
import { OAUTH_PATH } from './reply.ts'

export const LOGIN_PATH = `${OAUTH_PATH}/login`
export const SIGN_UP_PATH = `${OAUTH_PATH}/sign-up`

export const Session = Type.Object({ session: Type.String({ maxLength: 255 }) })

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
  const query = new URLSearchParams({ session: page.session })
  const providers = [...app.remote.identityProviders.values()].map(({ config: { id, name } }) => ({
    name,
    url: `${OAUTH_PATH}/sso/${encodeURIComponent(id)}?${query}`,
  }))
  const open = !app.config.client_api.registration_disabled
  const links = { providers, signUp: open ? `${SIGN_UP_PATH}?${query}` : undefined }
  const data = { title: 'Log in', action: LOGIN_PATH, user: '', fault: undefined, ...page, ...links }
  await sendPage(app, reply, 'oauth-login', data, { status: page.fault === undefined ? 200 : 403 })
}

export async function showSignUp(app: App, reply: FastifyReply, page: FormPage): Promise<void> {
  const login = `${LOGIN_PATH}?${new URLSearchParams({ session: page.session })}`
  const data = { title: 'Create an account', action: SIGN_UP_PATH, login, fault: undefined, ...page }
  await sendPage(app, reply, 'oauth-sign-up', data, { status: page.fault === undefined ? 200 : 400 })
}
