import type { ClaimedKeys, KeyClaim } from '../actions/claim-keys.ts'
import type { QueriedKeys } from '../actions/query-keys.ts'
import type { KeyUsage } from '../core/cross-signing.ts'
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
