import { canonicalJson, isObject, type JsonObject, type JsonValue, own } from '../json.ts'
import { verifySignature } from '../keys.ts'
import { ALLOW, type Case, deny, membershipIn, type Verdict } from './verdict.ts'

/** Keys and signatures tried at the most: a hostile invite must not buy thousands of verifications. */
const MAX_ATTEMPTS = 50

/** An invite to an address, redeemed: its `signed` block speaks of this user, and bears a key of that invite. */
export function authoriseThirdPartyInvite({ version, event, state }: Case, target: string): Verdict {
  if (membershipIn(state, target) === 'ban') {
    return deny(version, 'member.invite.third_party.banned', 'the user is banned')
  }
  const signed = objectAt(objectAt(event.content, 'third_party_invite'), 'signed')
  if (signed === undefined) return deny(version, 'member.invite.third_party.signed', 'there is no signed block')
  const mxid = own(signed, 'mxid')
  const token = own(signed, 'token')
  if (typeof mxid !== 'string' || typeof token !== 'string') {
    return deny(version, 'member.invite.third_party.properties', 'the signed block has no mxid or no token')
  }
  if (mxid !== target) return deny(version, 'member.invite.third_party.mxid', 'the signed block is of another user')
  const invite = state('m.room.third_party_invite', token)
  if (invite === undefined) {
    return deny(version, 'member.invite.third_party.token', 'the room has no such third-party invite')
  }
  if (invite.sender !== event.sender) {
    return deny(version, 'member.invite.third_party.sender', 'another user made the third-party invite')
  }
  if (signingKeyOf(signed, invite.content) !== undefined) return ALLOW
  return deny(version, 'member.invite.third_party.otherwise', 'no signature is by a key of the third-party invite')
}

/** The key of the invite that a signature of the block is by; undefined: none. */
export function signingKeyOf(signed: JsonObject, invite: JsonObject): string | undefined {
  const { signatures: _, unsigned: __, ...unsigned } = signed
  const message = canonicalJson(unsigned)
  const keys = keysOf(invite).slice(0, MAX_ATTEMPTS)
  const signatures = signaturesOf(signed).slice(0, MAX_ATTEMPTS)
  const attempts = pairsOf(keys, signatures).slice(0, MAX_ATTEMPTS)
  return attempts.find(([key, signature]) => verifySignature(key, message, signature))?.[0]
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
  return isObject(value) ? value : undefined
}
