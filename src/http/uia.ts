import { Type } from '@sinclair/typebox'
import { beginUia, type Proofs, purposeOf, type UiaRequest } from '../actions/sessions/begin-uia.ts'
import { continueUia, finishUia, type OpenUia, passUiaStage } from '../actions/sessions/continue-uia.ts'
import type { App } from '../app.ts'
import type { JsonObject } from '../core/json.ts'
import { type Errcode, MatrixError } from '../core/matrix-error.ts'
import type { Requester } from './endpoint.ts'
import { ClientSecret, RegistrationToken, SessionId } from './texts.ts'
import { freeStages, paramsOf, type Stage, tryStage } from './uia-stages.ts'

export type { Stage } from './uia-stages.ts'

const CAPTCHA_LENGTH_MAX = 16_384

export const Auth = Type.Object({
  type: Type.Optional(Type.String()),
  session: Type.Optional(Type.String({ maxLength: 255 })),
  identifier: Type.Optional(Type.Object({ type: Type.String(), user: Type.Optional(Type.String()) })),
  user: Type.Optional(Type.String()),
  password: Type.Optional(Type.String({ maxLength: 512 })),
  token: Type.Optional(RegistrationToken),
  response: Type.Optional(Type.String({ maxLength: CAPTCHA_LENGTH_MAX })),
  threepid_creds: Type.Optional(Type.Object({ sid: SessionId, client_secret: ClientSecret })),
})

export type AuthData = typeof Auth.static

interface UiaCall {
  readonly endpoint: string
  readonly body: { readonly auth?: AuthData }
  readonly user?: Requester | undefined
  /** The client's address, where a stage tells it to others. */
  readonly ip?: string
  /** Where the user approves in the account management, for the session of this id. */
  readonly approvalOf?: (session: string) => string
}

/**
 * Client-Server API, "User-Interactive Authentication API": returns what the caller has passed one of the flows with.
 * `offered` is a list of flows, or the one stage of the only one. A session that is given has to be of this very
 * request, and remembers the stages. A client that knows the only stage may pass it without one: what it proves, it
 * proves in this request, and nothing of it is remembered for another. Some stages that are in no flow (`freeStages`)
 * may be passed as well, and lead nowhere by themselves.
 * Errors: the 401 that names the flows; 403 M_FORBIDDEN for the credentials of another user, or another session.
 */
export async function authenticateInteractively(
  app: App,
  offered: Stage | readonly (readonly Stage[])[],
  call: UiaCall,
): Promise<Proofs> {
  const flows = typeof offered === 'string' ? [[offered]] : offered
  const { auth = {}, ...body } = call.body
  const request: UiaRequest = { endpoint: call.endpoint, body: body as JsonObject, user: call.user }
  const uia = auth.session === undefined ? undefined : await continueUia(app, auth.session, request)
  const { approvalOf } = call
  const attempt: Attempt = { flows, request, id: auth.session, proofs: uia?.proofs ?? {}, approvalOf }
  const proofs = auth.type === undefined ? attempt.proofs : await passStage(app, attempt, { ...call, auth })
  const passed = flows.some((flow) => flow.every((stage) => Object.hasOwn(proofs, stage)))
  if (passed && uia !== undefined) await finishUia(app, uia)
  if (passed) return proofs
  throw await challenge(app, await remember(app, attempt, uia, proofs))
}

interface Attempt {
  readonly flows: readonly (readonly Stage[])[]
  readonly request: UiaRequest
  /** The session of this request, if there is one. */
  readonly id: string | undefined
  readonly proofs: Proofs
  readonly approvalOf: UiaCall['approvalOf']
}

async function passStage(app: App, attempt: Attempt, call: UiaCall & { auth: AuthData }): Promise<Proofs> {
  const { auth, user, ip } = call
  const stages = [...attempt.flows.flat(), ...freeStages(app, ip)]
  const stage = stages.find((offered) => offered === auth.type)
  if (stage === undefined) throw await challenge(app, attempt, { fault: 'This stage is not offered.' })
  // A client that has shown a page may name its stage once more.
  if (Object.hasOwn(attempt.proofs, stage)) return attempt.proofs
  const outcome = await tryStage(app, stage, auth, { user, ip, purpose: purposeOf(call.endpoint) })
  if ('fault' in outcome) throw await challenge(app, attempt, outcome)
  return { ...attempt.proofs, [stage]: outcome.proof }
}

async function remember(app: App, attempt: Attempt, uia: OpenUia | undefined, proofs: Proofs): Promise<Attempt> {
  const news = Object.entries(proofs).filter(([stage, proof]) => attempt.proofs[stage] !== proof)
  for (const [stage, proof] of uia === undefined ? [] : news) await passUiaStage(app, uia!, stage, proof)
  return { ...attempt, proofs }
}

interface Refusal {
  readonly fault: string
  readonly errcode?: Errcode
}

async function challenge(app: App, attempt: Attempt, refusal?: Refusal): Promise<MatrixError> {
  const { flows, request, proofs, approvalOf } = attempt
  const session = attempt.id ?? (await beginUia(app, request, proofs))
  const extra = {
    session,
    flows: flows.map((stages) => ({ stages })),
    params: paramsOf(app, new Set(flows.flat()), approvalOf?.(session)),
    completed: Object.keys(proofs),
  }
  if (refusal !== undefined) return new MatrixError(refusal.errcode ?? 'M_FORBIDDEN', refusal.fault, extra, 401)
  return new MatrixError('M_UNAUTHORIZED', 'Authentication is needed.', extra, 401)
}
