import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import type { Appservice } from '../live/appservices.ts'
import { Late, type OutboundReply, Unreachable } from '../remote/outbound.ts'

const TIMEOUT_MS = 9_000
const ANSWER_BYTES_MAX = 65_536
/** Characters of an answer that are shown to who asked for it. */
const SHOWN_MAX = 1_000

/** What it takes: a command has no more. */
interface Asking extends Pick<App, 'clock'> {
  readonly remote: Pick<App['remote'], 'appservices'>
}

/**
 * Asks an application service whether it hears us, and resolves with the milliseconds that it took (Application Service
 * API, "Pinging"). Errors: M_URL_NOT_SET, M_BAD_STATUS, M_CONNECTION_FAILED, M_CONNECTION_TIMEOUT.
 */
export async function pingAppservice(
  app: Asking,
  appservice: Appservice,
  transactionId: string | undefined,
): Promise<number> {
  if (appservice.url === undefined) throw new MatrixError('M_URL_NOT_SET', 'The application service has no URL.')
  const startedAt = app.clock.monotonic()
  const { status, body } = await ask(app, appservice, JSON.stringify({ transaction_id: transactionId }))
  if (status >= 200 && status < 300) return Math.round(app.clock.monotonic() - startedAt)
  const shown = { status, body: body.toString().slice(0, SHOWN_MAX) }
  throw new MatrixError('M_BAD_STATUS', `The application service answers ${status}.`, shown)
}

async function ask(app: Asking, appservice: Appservice, body: string): Promise<OutboundReply> {
  const limits = { timeoutMs: TIMEOUT_MS, maxBytes: ANSWER_BYTES_MAX }
  try {
    return await app.remote.appservices.ask(appservice, {
      method: 'POST',
      path: '/_matrix/app/v1/ping',
      body,
      ...limits,
    })
  } catch (error) {
    if (error instanceof Late) throw new MatrixError('M_CONNECTION_TIMEOUT', 'The application service does not answer.')
    if (error instanceof Unreachable) throw new MatrixError('M_CONNECTION_FAILED', error.message)
    throw error
  }
}
