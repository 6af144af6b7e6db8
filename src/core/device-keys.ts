import { canonicalJson, isObject, type JsonObject, type JsonValue, own } from './json.ts'

/** Of one device, its signatures included: they travel in an EDU, of which a transaction holds a hundred. */
export const DEVICE_KEYS_BYTES_MAX = 32_768
/** Of one one-time or fallback key. */
export const ONE_TIME_KEY_BYTES_MAX = 8_192
/** `<algorithm>:<id>` */
const NAME_LENGTH_MAX = 255
const TEXT_LENGTH_MAX = 4_096
/** Entries of one list or object. */
const ENTRIES_MAX = 100

/** What is wrong with the keys of a device (Client-Server API, "Device keys"); undefined when nothing is. */
export function deviceKeysFault(keys: JsonObject, userId: string, deviceId: string): string | undefined {
  if (own(keys, 'user_id') !== userId) return 'The keys are not those of this user.'
  if (own(keys, 'device_id') !== deviceId) return 'The keys are not those of this device.'
  const algorithms = own(keys, 'algorithms')
  if (!Array.isArray(algorithms) || algorithms.length > ENTRIES_MAX || !algorithms.every(isText))
    return 'algorithms is a list of names.'
  if (!isRecord(own(keys, 'keys'), isText)) return 'keys is an object of strings.'
  if (!areSignatures(own(keys, 'signatures'))) return 'signatures is an object of signatures by user and key.'
  if (Buffer.byteLength(canonicalJson(keys)) > DEVICE_KEYS_BYTES_MAX) return 'The keys are too large.'
  return undefined
}

/** A key that is given to one other device: `signed_curve25519:AAAAHQ` is its algorithm and its id. */
export interface OneTimeKey {
  readonly algorithm: string
  readonly keyId: string
  /** JSON text. */
  readonly key: string
}

/** Reads `one_time_keys` or `fallback_keys` of an upload; a text says what is wrong with them. */
export function readOneTimeKeys(keys: JsonObject): readonly OneTimeKey[] | string {
  const read: OneTimeKey[] = []
  for (const [name, key] of Object.entries(keys)) {
    const colon = name.indexOf(':')
    if (colon < 1 || colon === name.length - 1 || !isName(name)) {
      return `"${name.slice(0, 50)}" is not <algorithm>:<id>.`
    }
    if (typeof key !== 'string' && !isObject(key)) return 'A key is a string or an object.'
    if (isObject(key) && !(typeof own(key, 'key') === 'string' && areSignatures(own(key, 'signatures'))))
      return 'A signed key has a key that is a string, and signatures.'
    const text = canonicalJson(key)
    if (Buffer.byteLength(text) > ONE_TIME_KEY_BYTES_MAX) return 'A key is too large.'
    read.push({ algorithm: name.slice(0, colon), keyId: name.slice(colon + 1), key: text })
  }
  return read
}

/** The keys without what is not signed, with these signatures added: by user, key id and signature. */
export function withSignatures(
  keys: JsonObject,
  added: readonly { readonly user: string; readonly keyId: string; readonly signature: string }[],
): JsonObject {
  if (added.length === 0) return keys
  const signatures = own(keys, 'signatures')
  const byUser = new Map<string, JsonObject>(isObject(signatures) ? (Object.entries(signatures) as never) : [])
  for (const { user, keyId, signature } of added) byUser.set(user, { ...byUser.get(user), [keyId]: signature })
  return { ...keys, signatures: Object.fromEntries(byUser) }
}

/** The keys without the signatures of anybody but these users. */
export function withSignaturesOf(keys: JsonObject, users: ReadonlySet<string>): JsonObject {
  const signatures = own(keys, 'signatures')
  if (!isObject(signatures)) return keys
  const kept = Object.entries(signatures).filter(([user]) => users.has(user))
  return { ...keys, signatures: Object.fromEntries(kept) }
}

/** Signatures by user and key. */
function areSignatures(value: JsonValue | undefined): boolean {
  return isRecord(value, (ofUser) => isRecord(ofUser, isText))
}

function isText(value: JsonValue | undefined): value is string {
  return typeof value === 'string' && value.length <= TEXT_LENGTH_MAX
}

function isName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && !name.includes('\0')
}

function isRecord(value: JsonValue | undefined, isItem: (item: JsonValue | undefined) => boolean): boolean {
  if (!isObject(value)) return false
  const entries = Object.entries(value)
  return entries.length <= ENTRIES_MAX && entries.every(([name, item]) => isName(name) && isItem(item))
}
