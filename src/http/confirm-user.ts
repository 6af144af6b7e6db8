import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { externalIdsOf } from '../store/sso.ts'
import { userById } from '../store/users.ts'
import type { Requester } from './endpoint.ts'
import { type AuthData, authenticateInteractively } from './uia.ts'
import type { Stage } from './uia-stages.ts'

/**
 * Makes sure, before something grave, that the user is there and not only their access token: by the password, or by
 * one of the providers through which they log in. Client-Server API, "OAuth 2.0 API": a client that has no part in
 * either cannot. Errors: those of `authenticateInteractively`, M_FORBIDDEN.
 */
export async function confirmUser(
  app: App,
  user: Requester,
  call: { readonly endpoint: string; readonly body: { readonly auth?: AuthData } },
): Promise<void> {
  if (user.oauth === true)
    throw new MatrixError('M_FORBIDDEN', 'This client cannot do that: the user does it in the account management.')
  const bySso = (await providersOf(app, user.userId)).length > 0
  const byPassword = !bySso || (await userById(app.db, user.userId))?.password_hash !== null
  const flows: (readonly Stage[])[] = [
    ...(byPassword ? [['m.login.password'] as const] : []),
    ...(bySso ? [['m.login.sso'] as const] : []),
  ]
  await authenticateInteractively(app, flows, { ...call, user })
}

/** The providers of the configuration that know the user. */
export async function providersOf(app: App, userId: string): Promise<{ readonly id: string; readonly name: string }[]> {
  if (app.remote.identityProviders.size === 0) return []
  const known = new Set((await externalIdsOf(app.db, userId)).map(({ provider }) => provider))
  const providers = [...app.remote.identityProviders.values()].map(({ config }) => config)
  return providers.filter(({ id }) => known.has(id))
}
