import type { AuthEvent } from '../event.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own } from '../json.ts'
import { verifySignature } from '../keys.ts'
import type { StateReader } from './verdict.ts'

/** Keys and signatures tried at the most: a hostile invite must not buy thousands of verifications. */
const MAX_ATTEMPTS = 50

/** I1: does the `signed` block speak of this user, and is it signed with a key of the invite it redeems? */
export function thirdPartyInviteHolds(event: AuthEvent, state: StateReader): boolean {
  const signed = objectAt(objectAt(event.content, 'third_party_invite'), 'signed')
  if (signed === undefined) return false
  const token = own(signed, 'token')
  if (typeof token !== 'string' || own(signed, 'mxid') !== event.stateKey) return false
  const invite = state('m.room.third_party_invite', token)
  if (invite === undefined || invite.sender !== event.sender) return false
  const { signatures: _, unsigned: __, ...unsigned } = signed
  const message = canonicalJson(unsigned)
  const signatures = signaturesOf(signed).slice(0, MAX_ATTEMPTS)
  const attempts = pairsOf(keysOf(invite.content).slice(0, MAX_ATTEMPTS), signatures).slice(0, MAX_ATTEMPTS)
  return attempts.some(([key, signature]) => verifySignature(key, message, signature))
}

function keysOf(content: JsonObject): string[] {
  const several = own(content, 'public_keys')
  const listed = Array.isArray(several) ? (several as readonly JsonValue[]) : []
  const keys = [
    own(content, 'public_key'),
    ...listed.map((item) => (isObject(item) ? own(item, 'public_key') : undefined)),
  ]
  return keys.filter((key): key is string => typeof key === 'string')
}

function signaturesOf(signed: JsonObject): string[] {
  const signatures: string[] = []
  for (const byKey of Object.values(objectAt(signed, 'signatures') ?? {})) {
    if (!isObject(byKey)) continue
    for (const [keyId, signature] of Object.entries(byKey)) {
      if (keyId.startsWith('ed25519:') && typeof signature === 'string') signatures.push(signature)
    }
  }
  return signatures
}

function pairsOf(keys: readonly string[], signatures: readonly string[]): [key: string, signature: string][] {
  return keys.flatMap((key) => signatures.map((signature): [string, string] => [key, signature]))
}

function objectAt(object: JsonObject | undefined, key: string): JsonObject | undefined {
  const value = object === undefined ? undefined : own(object, key)
  return value !== undefined && isObject(value) ? value : undefined
}
