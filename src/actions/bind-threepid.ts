import type { App } from '../app.ts'
import type { ServerName, UserId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { asMatrixError, Refused } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import type { Threepid } from '../store/threepids.ts'
import { askIdentityServer } from './ask-identity-server.ts'

export interface Binding {
  readonly idServer: string
  /** The user's token there. */
  readonly token: string
  /** The session there in which the address was proved. */
  readonly sid: string
  readonly clientSecret: string
}

/** Publishes an address as the user's at an identity server. Errors: that server's, M_SERVER_NOT_TRUSTED. */
export async function bindThreepid(app: App, userId: UserId, binding: Binding): Promise<void> {
  const { idServer, token, sid, clientSecret } = binding
  const content = { sid, client_secret: clientSecret, mxid: userId }
  try {
    await askIdentityServer(app, idServer, { method: 'POST', path: '/3pid/bind', content, token })
  } catch (error) {
    throw asMatrixError(idServer as ServerName, error)
  }
}

/**
 * Takes it back. False when the identity server does not do that for us, or none is named. Errors: that server's,
 * M_SERVER_NOT_TRUSTED.
 */
export async function unbindThreepid(
  app: App,
  userId: UserId,
  { medium, address }: Threepid,
  idServer: string | undefined,
): Promise<boolean> {
  if (idServer === undefined) return false
  const content = { mxid: userId, threepid: { medium, address } }
  try {
    await askIdentityServer(app, idServer, { method: 'POST', path: '/3pid/unbind', content })
    return true
  } catch (error) {
    // An answer without an errcode: the identity server has no such request, or does not take it from us.
    if (error instanceof Refused && error.errcode === '' && error.status < 500) return false
    throw asMatrixError(idServer as ServerName, error)
  }
}

/** The same where the address is forgotten here whatever an identity server says. */
export async function tryToUnbind(
  app: App,
  userId: UserId,
  threepid: Threepid,
  idServer: string | undefined,
): Promise<boolean> {
  try {
    return await unbindThreepid(app, userId, threepid, idServer)
  } catch (error) {
    if (!(error instanceof MatrixError || error instanceof Unreachable)) throw error
    app.log.info({ user: userId, idServer, reason: error.message }, 'an address stays bound at an identity server')
    return false
  }
}
