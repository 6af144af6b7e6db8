import { verify } from 'node:crypto'
import type { SignatureCheck } from '../../core/keys.ts'

/** Checks a signature on the thread pool, so that many together do not hold up the loop. */
export function signatureHolds({ bytes, key, signature }: SignatureCheck): Promise<boolean> {
  return new Promise((resolve, reject) => {
    verify(null, bytes, key, signature, (error, holds) => (error === null ? resolve(holds) : reject(error)))
  })
}
