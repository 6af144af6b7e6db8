import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
import type { SigningKey } from './keys.ts'
import { jsonSignatureHolds, signJson } from './sign.ts'

/** A public key of a server and how long it counts (Server-Server API, "Publishing Keys"). */
export interface ServerKey {
  readonly server: string
  readonly keyId: string
  /** Unpadded base64. */
  readonly publicKey: string
  /** Milliseconds since 1970: good for what is signed up to then. null for a key that is no longer used. */
  readonly validUntilTs: number | null
  /** When the server stopped using it; null for a current key. */
  readonly expiredTs: number | null
  /** When we were told. */
  readonly fetchedTs: number
}

/** A key of our own that was replaced. */
export interface OldKey {
  readonly keyId: string
  /** Unpadded base64. */
  readonly publicKey: string
  /** When it was last used, in milliseconds since 1970. */
  readonly expiredTs: number
}

/** No promise of a server is believed for longer than this after it was made. */
export const KEY_AGE_MAX_MS = 7 * 24 * 3_600_000
/** Keys read from one answer. */
const CURRENT_KEYS_MAX = 10
const OLD_KEYS_MAX = 100

/** Whether a signature made at that time by the key counts. */
export function keyCountsAt(key: ServerKey, atMs: number): boolean {
  if (key.expiredTs !== null) return atMs <= key.expiredTs
  return atMs <= Math.min(key.validUntilTs ?? 0, key.fetchedTs + KEY_AGE_MAX_MS)
}

/**
 * The keys in a server's answer, or undefined if it is malformed, of another server, or not signed by a current key of
 * its own.
 */
export function readServerKeys(answer: JsonValue, server: string, nowMs: number): readonly ServerKey[] | undefined {
  if (!isObject(answer) || own(answer, 'server_name') !== server) return undefined
  const validUntilTs = own(answer, 'valid_until_ts')
  if (typeof validUntilTs !== 'number') return undefined
  const current = keysIn(answer, 'verify_keys', CURRENT_KEYS_MAX)
  const signed = current.some(([keyId, publicKey]) => jsonSignatureHolds(answer, server, keyId, publicKey))
  if (!signed) return undefined
  const fetched = { server, fetchedTs: nowMs }
  return [
    ...current.map(([keyId, publicKey]) => ({ ...fetched, keyId, publicKey, validUntilTs, expiredTs: null })),
    ...keysIn(answer, 'old_verify_keys', OLD_KEYS_MAX).flatMap(([keyId, publicKey, entry]) => {
      const expiredTs = own(entry, 'expired_ts')
      return typeof expiredTs === 'number' ? [{ ...fetched, keyId, publicKey, validUntilTs: null, expiredTs }] : []
    }),
  ]
}

/** What we publish: our keys, signed by the current one. */
export function publishedKeys(
  server: string,
  key: SigningKey,
  old: readonly OldKey[],
  validUntilTs: number,
): JsonObject {
  const oldKeys = old.map(({ keyId, publicKey, expiredTs }) => [keyId, { expired_ts: expiredTs, key: publicKey }])
  const keys = {
    old_verify_keys: Object.fromEntries(oldKeys) as JsonObject,
    server_name: server,
    valid_until_ts: validUntilTs,
    verify_keys: { [key.keyId]: { key: key.publicKey } },
  }
  return signJson(keys, server, key)
}

function keysIn(answer: JsonObject, name: string, max: number): readonly (readonly [string, string, JsonObject])[] {
  const keys = own(answer, name)
  if (!isObject(keys)) return []
  const found: [string, string, JsonObject][] = []
  for (const [keyId, entry] of Object.entries(keys).slice(0, max)) {
    const publicKey = isObject(entry) ? own(entry, 'key') : undefined
    if (keyId.startsWith('ed25519:') && typeof publicKey === 'string' && isObject(entry))
      found.push([keyId, publicKey, entry])
  }
  return found
}
