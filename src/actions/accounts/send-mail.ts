import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { AddressRefused, MailNotSent } from '../../remote/mailer.ts'
import { composeMail } from './compose-mail.ts'

const RETRY_AFTER_MS = 30_000

/**
 * Sends the mail `templates/mail/NAME.txt`. Nothing is queued: the caller waits for the server with a limit, is told
 * when it did not work, and no queue holds links that open accounts.
 * Errors: M_THREEPID_MEDIUM_NOT_SUPPORTED without a mail server, M_INVALID_PARAM for an address that it refuses,
 * M_UNKNOWN (503) when it does not take the mail.
 */
export async function sendMail(app: App, to: string, name: string, data: object): Promise<void> {
  const { mailer } = app.remote
  if (mailer === undefined) throw noMail()
  const mail = await composeMail(app, name, data)
  try {
    await mailer.send({ to, ...mail })
  } catch (error) {
    if (error instanceof AddressRefused)
      throw new MatrixError('M_INVALID_PARAM', 'The mail server takes no mail for this address.')
    if (!(error instanceof MailNotSent)) throw error
    app.log.warn({ err: error }, 'a mail could not be sent')
    const extra = { retry_after_ms: RETRY_AFTER_MS }
    throw new MatrixError('M_UNKNOWN', 'Mail cannot be sent now; try again later.', extra, 503)
  }
}

export function noMail(): MatrixError {
  return new MatrixError('M_THREEPID_MEDIUM_NOT_SUPPORTED', 'This server sends no mail.')
}
