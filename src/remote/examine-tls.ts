import { isIP } from 'node:net'
import { connect, type PeerCertificate } from 'node:tls'

/** What a server shows when it is connected to by TLS. */
export interface Certificate {
  readonly subject: string
  readonly issuer: string
  /** DNS names and addresses that it is for. */
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly validUntilTs: number
  readonly protocol: string
  /** Subjects from the server's certificate to the last one that is known. */
  readonly chain: readonly string[]
  /** Why it does not hold: the authority is not known, the name is another one, the time is over. */
  readonly fault: string | undefined
}

const CHAIN_MAX = 10

/** Connects and looks at the certificate, which may be a wrong one. Errors: Error that says why nothing answers. */
export function certificateOf(ip: string, port: number, name: string, timeoutMs: number): Promise<Certificate> {
  return new Promise((resolve, reject) => {
    const servername = isIP(name) === 0 ? name : undefined
    const target = { host: ip, port, timeout: timeoutMs, ...(servername && { servername }) }
    const socket = connect({ ...target, rejectUnauthorized: false })
    socket.once('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const shown = socket.getPeerCertificate(true)
      const { authorizationError: error } = socket
      const fault = error == null ? undefined : reasonOf(error)
      socket.destroy()
      resolve({ ...described(shown), protocol: socket.getProtocol() ?? 'TLS', fault })
    })
  })
}

function described(shown: PeerCertificate & { issuerCertificate?: PeerCertificate }) {
  const chain: string[] = []
  const seen = new Set<string>()
  for (let link = shown; link?.fingerprint256 !== undefined && chain.length < CHAIN_MAX; ) {
    if (seen.has(link.fingerprint256)) break
    seen.add(link.fingerprint256)
    chain.push(nameOf(link.subject))
    link = link.issuerCertificate as typeof shown
  }
  return {
    subject: nameOf(shown.subject),
    issuer: nameOf(shown.issuer),
    names: (shown.subjectaltname ?? '').split(', ').map((name) => name.replace(/^[A-Za-z ]+:/, '')),
    validUntilTs: Date.parse(shown.valid_to),
    chain,
  }
}

function nameOf(entity: PeerCertificate['subject'] | undefined): string {
  return [entity?.CN ?? entity?.O ?? ''].flat().join(' ')
}

/** Node gives a code, and an Error for a name that does not fit. */
function reasonOf(error: Error | string): string {
  return typeof error === 'string' ? error : ((error as NodeJS.ErrnoException).code ?? error.message)
}
