import { Type } from '@sinclair/typebox'
import type { ClaimedKeys, KeyClaim } from '../actions/keys/claim-keys.ts'
import type { QueriedKeys } from '../actions/keys/query-keys.ts'
import type { KeyUsage } from '../core/cross-signing.ts'
import { type OneTimeKey, readOneTimeKeys } from '../core/device-keys.ts'
import { isHistoricalUserId } from '../core/ids.ts'
import { type JsonObject, parseJson } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'

/** Users in one query: clients ask for 250 at most. */
const USERS_MAX = 1_000
/** Devices in one claim. */
const CLAIMS_MAX = 1_000
/** Of a device or an algorithm. */
const NAME_LENGTH_MAX = 255

/** `device_keys` of a query: of whom which devices are wanted; an empty list stands for all. */
export type WantedDevices = ReadonlyMap<string, readonly string[]>

export function readQuery(wanted: Readonly<Record<string, readonly string[]>>): WantedDevices {
  const entries = Object.entries(wanted)
  if (entries.length > USERS_MAX) throw new MatrixError('M_TOO_LARGE', `One query may ask for ${USERS_MAX} users.`)
  return new Map(entries.filter(([userId]) => isHistoricalUserId(userId)))
}

/** The answer to a query, by client or by server. */
export function queriedKeys({ keys, failures }: QueriedKeys, wanted: WantedDevices) {
  const deviceKeys = new Map<string, JsonObject>()
  const crossSigning = new Map<KeyUsage, Map<string, JsonObject>>()
  for (const [userId, { devices, crossSigning: keysOfUser }] of keys) {
    const ids = wanted.get(userId) ?? []
    const shown = [...devices].filter(([deviceId]) => ids.length === 0 || ids.includes(deviceId))
    deviceKeys.set(userId, Object.fromEntries(shown))
    for (const [usage, key] of keysOfUser) {
      const ofUsage = crossSigning.get(usage) ?? new Map()
      crossSigning.set(usage, ofUsage.set(userId, key))
    }
  }
  return {
    device_keys: Object.fromEntries(deviceKeys),
    ...Object.fromEntries([...crossSigning].map(([usage, users]) => [`${usage}_keys`, Object.fromEntries(users)])),
    failures: Object.fromEntries(failures.map((server) => [server, {}])),
  }
}

/** `one_time_keys` of a claim: the algorithm wanted, by user and device. */
export function readClaims(wanted: Readonly<Record<string, Readonly<Record<string, string>>>>): KeyClaim[] {
  const claims = Object.entries(wanted).flatMap(([userId, devices]) =>
    Object.entries(devices).map(([deviceId, algorithm]) => ({ userId, deviceId, algorithm })),
  )
  if (claims.length > CLAIMS_MAX) throw new MatrixError('M_TOO_LARGE', `One claim may name ${CLAIMS_MAX} devices.`)
  return claims.filter((claim) => isHistoricalUserId(claim.userId) && isName(claim.deviceId) && isName(claim.algorithm))
}

export function claimedKeys({ keys, failures }: ClaimedKeys) {
  const users = new Map<string, Map<string, JsonObject>>()
  for (const { userId, deviceId, name, key } of keys) {
    const devices = users.get(userId) ?? new Map()
    users.set(userId, devices.set(deviceId, { [name]: parseJson(key) }))
  }
  return {
    one_time_keys: Object.fromEntries([...users].map(([userId, devices]) => [userId, Object.fromEntries(devices)])),
    failures: Object.fromEntries(failures.map((server) => [server, {}])),
  }
}

/** Whether anything can be of this name. Others are passed over, like names that nothing has. */
function isName(name: string): boolean {
  return name.length <= NAME_LENGTH_MAX && !name.includes('\0')
}

/** One-time keys in one upload: clients send a hundred at most. */
const ONE_TIME_KEYS_MAX = 500
/** One an algorithm. */
const FALLBACK_KEYS_MAX = 10
const Keys = Type.Optional(Type.Record(Type.String(), Type.Unknown()))

/** The keys of an upload besides those of the device itself. */
export const OtherKeys = { one_time_keys: Keys, fallback_keys: Keys }

/** Errors: M_INVALID_PARAM. */
export function readOtherKeys(body: {
  readonly one_time_keys?: Record<string, unknown>
  readonly fallback_keys?: Record<string, unknown>
}): { readonly oneTimeKeys: readonly OneTimeKey[]; readonly fallbackKeys: readonly OneTimeKey[] } {
  const oneTimeKeys = readKeys(body.one_time_keys, ONE_TIME_KEYS_MAX)
  const fallbackKeys = readKeys(body.fallback_keys, FALLBACK_KEYS_MAX)
  if (new Set(fallbackKeys.map((key) => key.algorithm)).size < fallbackKeys.length)
    throw new MatrixError('M_INVALID_PARAM', 'There is one fallback key an algorithm.')
  return { oneTimeKeys, fallbackKeys }
}

function readKeys(keys: Record<string, unknown> | undefined, max: number): readonly OneTimeKey[] {
  const read = readOneTimeKeys((keys ?? {}) as JsonObject)
  if (typeof read === 'string') throw new MatrixError('M_INVALID_PARAM', read)
  if (read.length > max) throw new MatrixError('M_INVALID_PARAM', `An upload holds ${max} keys of a kind.`)
  return read
}
