import { readFileSync } from 'node:fs'
import { generateSigningKey, writeKeyPem } from '../core/keys.ts'
import { systemRandom } from '../live/time.ts'
import { makeCertificate } from './certificate.ts'
import { refuseExisting, writeNewFile } from './files.ts'

const OWNER_ONLY = 0o600
const READABLE = 0o644

/** Makes a signing key. Errors: CommandError with exit code 4 when the file exists and `force` is not set. */
export function makeSigningKey(path: string, force = false): { path: string; key_id: string; public_key: string } {
  const key = generateSigningKey((length) => systemRandom.bytes(length))
  writeNewFile(path, writeKeyPem(key), { mode: OWNER_ONLY, force })
  return { path, key_id: key.keyId, public_key: key.publicKey }
}

/** Makes a certificate and its key. Errors: CommandError with exit code 4 when one exists and `force` is not set. */
export async function makeTlsFiles(
  files: { cert: string; key: string },
  options: {
    names: readonly string[]
    keySize?: number | undefined
    force?: boolean
    authority?: { cert: string; key: string } | undefined
  },
): Promise<{ certificate: string; key: string; names: readonly string[] }> {
  const { names, keySize, force = false, authority } = options
  if (!force) refuseExisting([files.cert, files.key])
  const made = await makeCertificate({
    names,
    keySize,
    authority: authority && {
      certificatePem: readFileSync(authority.cert, 'utf8'),
      keyPem: readFileSync(authority.key, 'utf8'),
    },
  })
  writeNewFile(files.key, made.keyPem, { mode: OWNER_ONLY, force })
  writeNewFile(files.cert, made.certificatePem, { mode: READABLE, force })
  return { certificate: files.cert, key: files.key, names }
}
