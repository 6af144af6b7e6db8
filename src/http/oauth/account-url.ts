import type { FastifyRequest } from 'fastify'
import { RESET_STAGES, sessionOfReset } from '../../actions/sessions/approve-reset.ts'
import type { App } from '../../app.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Requester } from '../endpoint.ts'
import { publicUrl } from '../sso.ts'
import { type AuthData, authenticateInteractively } from '../uia.ts'
import { OAUTH_PATH } from './reply.ts'

export const ACCOUNT_PATH = `${OAUTH_PATH}/account`

/** Client-Server API, "Account management URL actions". */
export const ACTIONS = [
  'org.matrix.devices_list',
  'org.matrix.device_view',
  'org.matrix.device_delete',
  'org.matrix.account_deactivate',
  'org.matrix.cross_signing_reset',
] as const

/**
 * Client-Server API, "OAuth authentication": the user approves on a page what the client waits for. Undefined when that
 * is done; otherwise what says where, without an errcode: clients take one for the end of it. Errors: those of
 * `authenticateInteractively`.
 */
export async function approveReset(
  app: App,
  user: Requester,
  raw: FastifyRequest,
  { endpoint, body }: { readonly endpoint: string; readonly body: { readonly auth?: AuthData } },
): Promise<object | undefined> {
  const approvalOf = (uia: string) => {
    const query = new URLSearchParams({ action: 'org.matrix.cross_signing_reset', uia })
    return `${publicUrl(app, raw)}${ACCOUNT_PATH}?${query}`
  }
  const { auth, ...rest } = body
  const session = auth?.session ?? (await sessionOfReset(app, { endpoint, body: rest as JsonObject, user }))
  const flows = RESET_STAGES.map((stage) => [stage])
  try {
    await authenticateInteractively(app, flows, {
      endpoint,
      body: { ...rest, auth: { ...auth, session } },
      user,
      approvalOf,
    })
    return undefined
  } catch (error) {
    if (error instanceof MatrixError && error.errcode === 'M_UNAUTHORIZED') return error.extra
    throw error
  }
}
