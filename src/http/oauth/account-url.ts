import type { FastifyRequest } from 'fastify'
import { RESET_STAGES } from '../../actions/approve-reset.ts'
import type { App } from '../../app.ts'
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
 * Client-Server API, "OAuth authentication": the user approves on a page what the client waits for with its session.
 * Errors: those of `authenticateInteractively`.
 */
export async function approveReset(
  app: App,
  user: Requester,
  raw: FastifyRequest,
  call: { readonly endpoint: string; readonly body: { readonly auth?: AuthData } },
): Promise<void> {
  const approvalOf = (uia: string) => {
    const query = new URLSearchParams({ action: 'org.matrix.cross_signing_reset', uia })
    return `${publicUrl(app, raw)}${ACCOUNT_PATH}?${query}`
  }
  const flows = RESET_STAGES.map((stage) => [stage])
  await authenticateInteractively(app, flows, { ...call, user, approvalOf })
}
