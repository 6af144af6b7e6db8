import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export interface ReceivedMail {
  readonly from: string
  readonly to: string
  readonly subject: string
  /** All of it, decoded. */
  readonly text: string
}

export interface MailServer {
  /** For `client_api.email`. */
  readonly config: Record<string, unknown>
  readonly received: readonly ReceivedMail[]
  /** The next mail, or one that came and was not asked for yet. */
  next(): Promise<ReceivedMail>
  /** Refuses mail for these addresses. */
  readonly refused: Set<string>
  stop(): Promise<void>
}

/** An SMTP server on a free port, without TLS unless the options say so. */
export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const received: ReceivedMail[] = []
  const waiting: (() => void)[] = []
  const refused = new Set<string>()
  let taken = 0
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo: ({ address }, _session, done) =>
      done(refused.has(address) ? Object.assign(new Error('no such mailbox'), { responseCode: 550 }) : null),
    async onData(stream, session, done) {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      const text = decode(Buffer.concat(chunks).toString())
      const { mailFrom, rcptTo } = session.envelope
      received.push({
        from: mailFrom === false ? '' : mailFrom.address,
        to: rcptTo[0]?.address ?? '',
        subject: /^Subject: (.*)$/m.exec(text)?.[1]?.trim() ?? '',
        text,
      })
      done()
      for (const wake of waiting.splice(0)) wake()
    },
    ...options,
  })
  server.on('error', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return {
    config: {
      smtp_host: '127.0.0.1',
      smtp_port: port,
      smtp_security: 'none',
      smtp_timeout: '5s',
      from: 'Dendrite <matrix@test.example>',
    },
    received,
    refused,
    async next() {
      while (received.length <= taken) await new Promise<void>((resolve) => waiting.push(resolve))
      return received[taken++]!
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** Quoted-printable, good enough to look for words and links. */
function decode(text: string): string {
  return text
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}

/** The link of a mail, as path and query. */
export function linkIn({ text }: ReceivedMail): string {
  const url = /https:\/\/\S+submit_token\S+/.exec(text)?.[0]
  if (url === undefined) throw new Error(`no link in: ${text}`)
  const { pathname, search } = new URL(url)
  return `${pathname}${search}`
}
