import type { App } from '../../app.ts'
import type { ServerName, UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { asMatrixError, Refused } from '../../remote/ask-server.ts'
import { bindingsOf, deleteBinding, insertBinding, type ThreepidBinding } from '../../store/threepid-bindings.ts'
import type { Threepid } from '../../store/threepids.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { write } from '../write.ts'
import { askIdentityServer } from './ask-identity-server.ts'

export interface Binding {
  readonly idServer: string
  /** The user's token there. */
  readonly token: string
  /** The session there in which the address was proved. */
  readonly sid: string
  readonly clientSecret: string
}

const ADDRESS_LENGTH_MAX = 254
const MAX_BINDINGS = 100

/**
 * Publishes an address as the user's at an identity server, and notes where. Errors: that server's,
 * M_SERVER_NOT_TRUSTED.
 */
export async function bindThreepid(app: App, userId: UserId, binding: Binding): Promise<void> {
  const { idServer, token, sid, clientSecret } = binding
  const question = { method: 'POST', path: '/3pid/bind', token } as const
  const content = { sid, client_secret: clientSecret, mxid: userId }
  const answer = await askIdentityServer(app, idServer, { ...question, content }).catch((error: unknown) => {
    throw asMatrixError(idServer as ServerName, error)
  })
  const [medium, address] = [textOf(answer, 'medium'), textOf(answer, 'address')]
  if (medium === undefined || address === undefined || `${medium}${address}`.length > ADDRESS_LENGTH_MAX) return
  if ((await bindingsOf(app.db, userId)).length >= MAX_BINDINGS) return
  await write(app, { guards: [], writes: [insertBinding(userId, { medium, address, id_server: idServer })], log: [] })
}

/**
 * Takes it back, where it is known to be published unless `idServer` names the place. False when nothing is known, or
 * an identity server does not do that for us. Errors: that server's, M_SERVER_NOT_TRUSTED.
 */
export async function unbindThreepid(
  app: App,
  userId: UserId,
  threepid: Threepid,
  idServer: string | undefined,
): Promise<boolean> {
  const { medium, address } = threepid
  const known = await bindingsOf(app.db, userId, threepid)
  const places = idServer === undefined ? known : [{ medium, address, id_server: idServer }]
  let done = places.length > 0
  for (const place of places) done = (await unbindAt(app, userId, place)) && done
  return done
}

async function unbindAt(app: App, userId: UserId, place: ThreepidBinding): Promise<boolean> {
  const { medium, address, id_server: idServer } = place
  const content = { mxid: userId, threepid: { medium, address } }
  try {
    await askIdentityServer(app, idServer, { method: 'POST', path: '/3pid/unbind', content })
  } catch (error) {
    // An answer without an errcode: the identity server has no such request, or does not take it from us.
    if (error instanceof Refused && error.errcode === '' && error.status < 500) return false
    throw asMatrixError(idServer as ServerName, error)
  }
  await write(app, { guards: [], writes: [deleteBinding(userId, place)], log: [] })
  return true
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
    if (!(error instanceof MatrixError)) throw error
    app.log.info({ user: userId, idServer, reason: error.message }, 'an address stays bound at an identity server')
    return false
  }
}

/** All addresses of the user, as an account is closed; true when none is left. */
export async function unbindAll(
  app: App,
  userId: UserId,
  addresses: readonly Threepid[],
  idServer: string | undefined,
): Promise<boolean> {
  const known = (await bindingsOf(app.db, userId)).filter((bound) => !addresses.some((one) => isSame(one, bound)))
  let done = true
  for (const address of addresses) done = (await tryToUnbind(app, userId, address, idServer)) && done
  for (const address of known) done = (await tryToUnbind(app, userId, address, address.id_server)) && done
  return done
}

function isSame(one: Threepid, other: Threepid): boolean {
  return one.medium === other.medium && one.address === other.address
}
