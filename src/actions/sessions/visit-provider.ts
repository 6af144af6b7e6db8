import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type Identity, type IdentityProvider, NotIdentified } from '../../remote/identity-provider.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { type Purpose, rememberStep, stepOf } from './sso-session.ts'

const SECRET_BYTES = 32

export interface Departure {
  readonly purpose: Purpose
  /** The secret that the browser keeps: it alone can come back. */
  readonly browser: string
  /** Where it comes back to. */
  readonly callback: string
  readonly registers: boolean
}

/** Where a browser goes to log in. Errors: M_UNKNOWN when the provider cannot be asked where that is. */
export async function departTo(app: App, provider: IdentityProvider, departure: Departure): Promise<string> {
  const { browser, ...rest } = departure
  const secret = () => app.random.bytes(SECRET_BYTES).toString('base64url')
  const data = { ...rest, nonce: secret(), verifier: secret() }
  const state = await rememberStep(app, 'visit', { provider: provider.config.id, browser, data })
  return asking(app, provider, () => provider.entry({ ...data, state }))
}

/**
 * Who came back from the provider, and what for. A visit ends with the first answer, whether good or not. Errors:
 * M_FORBIDDEN; M_UNKNOWN when the provider cannot be asked.
 */
export async function returnFrom(
  app: App,
  provider: IdentityProvider,
  { browser, answer }: { browser: string | undefined; answer: URLSearchParams },
): Promise<{ purpose: Purpose; identity: Identity }> {
  const state = answer.get('state') ?? ''
  const step = await stepOf(app, 'visit', { id: state, browser })
  await step.take()
  // The state names the visit, whatever address the answer came to.
  if (step.provider !== provider.config.id)
    throw new MatrixError('M_FORBIDDEN', 'This is the answer of another service.')
  const visit = { ...step.data, state }
  return { purpose: visit.purpose, identity: await asking(app, provider, () => provider.identify(visit, answer)) }
}

/** What goes wrong between the two servers is for the administrator to read, not for the user. */
async function asking<T>(app: App, { config }: IdentityProvider, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof NotIdentified)) throw error
    app.log.warn({ err: error, provider: config.id }, 'an identity provider does not identify')
    if (error instanceof Unreachable) {
      throw new MatrixError('M_UNKNOWN', `${config.name} cannot be reached now. Try again later.`, {}, 502)
    }
    throw new MatrixError('M_FORBIDDEN', `${config.name} did not say who you are. Go back and try again.`)
  }
}
