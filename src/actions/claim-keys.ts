import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import type { DeviceName } from '../store/device-keys.ts'
import {
  claimOneTimeKey,
  fallbackKey,
  markFallbackKeyUsed,
  nextOneTimeKey,
  oneTimeKeyIsFree,
  type StoredOneTimeKey,
} from '../store/one-time-keys.ts'
import { ONE_TIME_KEYS } from './upload-keys.ts'
import { write } from './write.ts'

export interface KeyClaim extends DeviceName {
  readonly algorithm: string
}

/** A key as JSON text, under the name that has its algorithm: `signed_curve25519:AAAAHQ`. */
export interface ClaimedKey extends KeyClaim {
  readonly name: string
  readonly key: string
}

export interface ClaimedKeys {
  readonly keys: readonly ClaimedKey[]
  /** Servers that did not answer. */
  readonly failures: readonly string[]
}

/** Claims keys of devices, whichever server they are of (Client-Server API, `/keys/claim`). */
export async function claimKeys(app: App, claims: readonly KeyClaim[]): Promise<ClaimedKeys> {
  return { keys: await claimLocalKeys(app, claims), failures: [] }
}

/** Tries when other processes claim keys of the same device at the same time. */
const TRIES_MAX = 50
/** Claims of one request that are under way at once. */
const AT_ONCE_MAX = 50

/**
 * Gives away a one-time key of each device, of those uploaded first, or its fallback key when none is left. A key is
 * never given to anybody else, not even when the answer with it is lost: that it is claimed is durable before.
 */
export async function claimLocalKeys(app: App, claims: readonly KeyClaim[]): Promise<ClaimedKey[]> {
  const claimed: ClaimedKey[] = []
  for (let start = 0; start < claims.length; start += AT_ONCE_MAX) {
    const some = claims.slice(start, start + AT_ONCE_MAX)
    const keys = await Promise.all(
      some.map((claim) => app.live.keyClaims.run(`${claim.userId} ${claim.deviceId}`, () => claimOne(app, claim))),
    )
    for (const [index, key] of keys.entries()) {
      if (key === undefined) continue
      const claim = some[index]!
      claimed.push({ ...claim, name: `${key.algorithm}:${key.key_id}`, key: key.key })
    }
  }
  return claimed
}

async function claimOne(app: App, claim: KeyClaim): Promise<StoredOneTimeKey | undefined> {
  const log = [{ kind: ONE_TIME_KEYS, user: claim.userId, device: claim.deviceId }]
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const key = await nextOneTimeKey(app.db, claim, claim.algorithm)
    if (key === undefined) {
      const last = await fallbackKey(app.db, claim, claim.algorithm)
      if (last?.used === 0) await write(app, { guards: [], writes: [markFallbackKeyUsed(claim, last)], log })
      return last
    }
    const writes = [claimOneTimeKey(claim, key, app.clock.now())]
    if ((await write(app, { guards: [oneTimeKeyIsFree(claim, key)], writes, log })) !== undefined) return key
  }
  throw new MatrixError('M_UNKNOWN', 'Too many ask for keys of this device; try again.', {}, 503)
}
