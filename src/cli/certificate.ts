import { webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import { systemClock, systemRandom } from '../live/time.ts'

const DAY_MS = 86_400_000
const VALID_DAYS = 3650
/** Clocks of two machines differ: a certificate that begins now would not be valid yet for some. */
const BACKDATED_MS = DAY_MS

export interface Authority {
  readonly certificatePem: string
  readonly keyPem: string
}

/**
 * A certificate for `names` with an RSA key of `keySize` bits, or an ECDSA P-256 one without; signed by `authority`, or
 * by itself. It is for tests, or behind a proxy: nobody else trusts it.
 */
export async function makeCertificate(options: {
  names: readonly string[]
  keySize?: number | undefined
  authority?: Authority | undefined
}): Promise<{ certificatePem: string; keyPem: string }> {
  await import('reflect-metadata')
  const x509 = await import('@peculiar/x509')
  x509.cryptoProvider.set(webcrypto)
  const algorithm = keyAlgorithm(options.keySize)
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const issuer = options.authority === undefined ? undefined : await readAuthority(options.authority, x509)
  const subject = `CN=${(options.names[0] ?? 'localhost').slice(0, 64).replace(/[^0-9A-Za-z.*-]/g, '-')}`
  const now = systemClock.now()
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: `01${systemRandom.bytes(15).toString('hex')}`,
      subject,
      issuer: issuer?.certificate.subject ?? subject,
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(now + VALID_DAYS * DAY_MS),
      publicKey: keys.publicKey,
      signingKey: issuer?.key ?? keys.privateKey,
      signingAlgorithm: issuer?.algorithm ?? algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(issuer === undefined, undefined, true),
        new x509.SubjectAlternativeNameExtension(
          options.names.map((name) => {
            const host = name.replace(/^\[|\]$/g, '')
            return { type: isIP(host) === 0 ? 'dns' : 'ip', value: host } as const
          }),
        ),
      ],
    },
    webcrypto,
  )
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { certificatePem: `${certificate.toString('pem')}\n`, keyPem: toPem('PRIVATE KEY', pkcs8) }
}

function keyAlgorithm(keySize: number | undefined) {
  if (keySize === undefined) return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const publicExponent = new Uint8Array([1, 0, 1])
  return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent, modulusLength: keySize }
}

/** The authority's key may be PKCS#1, as the Go Dendrite and openssl write it: node:crypto reads both. */
async function readAuthority(authority: Authority, x509: typeof import('@peculiar/x509')) {
  const { createPrivateKey } = await import('node:crypto')
  const certificate = new x509.X509Certificate(authority.certificatePem)
  const key = createPrivateKey(authority.keyPem)
  const algorithm = keyAlgorithm(key.asymmetricKeyType === 'rsa' ? 2048 : undefined)
  const der = key.export({ format: 'der', type: 'pkcs8' })
  const imported = await webcrypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign'])
  return { certificate, key: imported, algorithm }
}

function toPem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
