import type { Config } from '../config/schema.ts'
import type { Timers } from '../live/time.ts'

export interface Mail {
  readonly to: string
  readonly subject: string
  readonly text: string
  readonly html: string
  readonly messageId?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The way to an SMTP server. */
export interface Mailer {
  /** Resolves once the server has taken the mail. Errors: AddressRefused, MailNotSent, also when the signal comes. */
  send(mail: Mail, signal?: AbortSignal): Promise<void>
}

/** The mail server takes nothing for this address. */
export class AddressRefused extends Error {
  override readonly name = 'AddressRefused'
}

/** The mail server is away, too slow, or does not keep to the protocol; or too much is being sent. */
export class MailNotSent extends Error {
  override readonly name: string = 'MailNotSent'
}

/** The mail server works, and does not take this mail: perhaps later. */
export class MailPutOff extends MailNotSent {
  override readonly name = 'MailPutOff'
}

/** Mails under way at once: whoever asks for one waits for it. */
const MAX_UNDER_WAY = 16
const REFUSED_FOR_GOOD = 550
/** Commands by whose answers a server judges a mail, unless it says that it closes (RFC 5321, section 3.8). */
const OF_ONE_MAIL: ReadonlySet<string> = new Set(['RCPT TO', 'DATA'])
const CLOSING = 421

type EmailConfig = Config['client_api']['email']

/** Undefined where no mail server is configured. */
export function createMailer(config: EmailConfig, timers: Timers): Mailer | undefined {
  if (config.smtp_host === '') return undefined
  let underWay = 0
  return {
    async send(mail, signal) {
      if (underWay >= MAX_UNDER_WAY) throw new MailNotSent('too many mails are being sent')
      underWay++
      const late = new AbortController()
      const stopTimer = timers.after(config.smtp_timeout, () => late.abort())
      try {
        await deliver(config, mail, signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]))
      } catch (error) {
        throw late.signal.aborted
          ? new MailNotSent(`no answer of the mail server within ${config.smtp_timeout} ms`)
          : failureOf(error as SmtpError)
      } finally {
        stopTimer()
        underWay--
      }
    },
  }
}

/** A connection for each mail: they are few, and an idle server holds none. */
async function deliver(config: EmailConfig, mail: Mail, signal: AbortSignal): Promise<void> {
  // Loaded with the first mail.
  const { createTransport } = await import('nodemailer')
  const { smtp_security: security, smtp_username: user, smtp_password: pass } = config
  const transport = createTransport({
    host: config.smtp_host,
    port: config.smtp_port,
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    tls: { rejectUnauthorized: !config.disable_tls_validation },
    ...(user === '' ? {} : { auth: { user, pass } }),
    disableFileAccess: true,
    disableUrlAccess: true,
  })
  // The abort ends the connection, also where the server keeps it alive byte by byte.
  const headers = { ...mail.headers, 'Auto-Submitted': 'auto-generated' }
  const options = { ...mail, from: config.from, headers, signal }
  await transport.sendMail(options)
}

interface SmtpError extends Error {
  readonly command?: string
  readonly responseCode?: number
}

function failureOf(error: SmtpError): Error {
  const { command = '', responseCode = 0, message } = error
  const options = { cause: error }
  if (command === 'RCPT TO' && responseCode >= REFUSED_FOR_GOOD) return new AddressRefused(message, options)
  const answered = OF_ONE_MAIL.has(command) && responseCode > 0 && responseCode !== CLOSING
  return new (answered ? MailPutOff : MailNotSent)(message, options)
}
