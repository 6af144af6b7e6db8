import { canonicalJson, isObject, type JsonObject, own } from './json.ts'
import { publicKeyObject } from './keys.ts'
import { jsonSignatureHolds, signedTextOfJson } from './sign.ts'

export type KeyUsage = 'master' | 'self_signing' | 'user_signing'

/** A cross-signing key with its signatures: the master key may bear one of each device. */
const KEY_BYTES_MAX = 32_768
const KEY_ID = /^ed25519:[A-Za-z0-9+/]{43}$/

export interface CrossSigningKey {
  readonly usage: KeyUsage
  readonly json: JsonObject
  /** `ed25519:` and the public key. */
  readonly keyId: string
  readonly publicKey: string
}

/** Reads a key of the user (Client-Server API, "Cross-signing"); a text says what is wrong with it. */
export function readCrossSigningKey(json: JsonObject, userId: string, usage: KeyUsage): CrossSigningKey | string {
  if (own(json, 'user_id') !== userId) return 'The key is not of this user.'
  const usages = own(json, 'usage')
  if (!Array.isArray(usages) || !usages.includes(usage)) return `The key is not for ${usage}.`
  const keys = own(json, 'keys')
  const [entry, ...others] = isObject(keys) ? Object.entries(keys) : []
  if (entry === undefined || others.length > 0) return 'There is exactly one public key in a cross-signing key.'
  const [keyId, publicKey] = entry
  if (!KEY_ID.test(keyId) || keyId !== `ed25519:${publicKey}`) return 'The public key is named after itself.'
  if (publicKeyObject(publicKey as string) === undefined) return 'The public key is no ed25519 key.'
  const signatures = own(json, 'signatures')
  if (signatures !== undefined && !isObject(signatures)) return 'signatures is an object.'
  if (Buffer.byteLength(canonicalJson(json)) > KEY_BYTES_MAX) return 'The key is too large.'
  return { usage, json, keyId, publicKey: publicKey as string }
}

/** Whether the key bears a signature of the user by the other one that verifies. */
export function isSignedBy(json: JsonObject, userId: string, signer: Pick<CrossSigningKey, 'keyId' | 'publicKey'>) {
  return jsonSignatureHolds(json, userId, signer.keyId, signer.publicKey)
}

/** What is signed is the same: signatures, and what servers add, aside. */
export function isSameKey(one: JsonObject, other: JsonObject): boolean {
  return signedTextOfJson(one) === signedTextOfJson(other)
}
