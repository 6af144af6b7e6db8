import type { App } from '../../app.ts'
import type { OneTimeKey } from '../../core/device-keys.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Batch } from '../../db/database.ts'
import { logPosition } from '../../db/sql.ts'
import { type DeviceName, deviceIsThere, keysOfDevice, storeDeviceKeys } from '../../store/device-keys.ts'
import {
  forgetClaimedKeys,
  insertOneTimeKey,
  type KeyCounts,
  keyCounts,
  ONE_TIME_KEYS,
  oneTimeKeysAreStill,
  oneTimeKeysNamed,
  storeFallbackKey,
} from '../../store/one-time-keys.ts'
import { write } from '../write.ts'
import { deviceListChanges, devicesChanged } from './device-list-changes.ts'

export interface KeyUpload {
  readonly deviceKeys?: JsonObject | undefined
  readonly oneTimeKeys: readonly OneTimeKey[]
  readonly fallbackKeys: readonly OneTimeKey[]
}

/** One-time keys of one device that wait to be claimed. */
const KEYS_MAX = 1_000
/** A client that has not heard the answer to its upload repeats it within this time. */
const REPEATED_WITHIN_MS = 7 * 24 * 3_600_000
/** Tries when other requests change the keys of the device at the same time. */
const TRIES_MAX = 20

/**
 * Stores keys of a device, all of the upload or none. A one-time key that is here already, or was and is claimed, is
 * passed over. Errors: M_INVALID_PARAM when it is another key under the same id, M_TOO_LARGE, M_UNKNOWN_TOKEN when the
 * device is gone.
 */
export async function uploadKeys(app: App, device: DeviceName, upload: KeyUpload): Promise<KeyCounts> {
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const batch = await composeUpload(app, device, upload)
    if (batch.writes.length === 0 || (await write(app, batch)) !== undefined) return keyCounts(app.db, device)
  }
  throw new MatrixError('M_UNKNOWN_TOKEN', 'The device is logged out.')
}

async function composeUpload(app: App, device: DeviceName, upload: KeyUpload): Promise<Batch> {
  const { userId, deviceId } = device
  const keyIds = upload.oneTimeKeys.map((key) => key.keyId)
  const seen = keyIds.length === 0 ? [] : await oneTimeKeysNamed(app.db, device, keyIds)
  const known = new Map(seen.map((row) => [`${row.algorithm}:${row.key_id}`, row.key]))
  const fresh = upload.oneTimeKeys.filter((key) => {
    const before = known.get(`${key.algorithm}:${key.keyId}`)
    if (before === undefined || before === key.key) return before === undefined
    throw new MatrixError('M_INVALID_PARAM', `There is another key ${key.algorithm}:${key.keyId} already.`)
  })
  if (fresh.length > 0) await checkRoom(app, device, fresh.length)
  const keysText = upload.deviceKeys === undefined ? undefined : canonicalJson(upload.deviceKeys)
  const changed = keysText !== undefined && keysText !== (await keysOfDevice(app.db, userId, deviceId))
  const list = deviceListChanges(devicesChanged(userId, changed ? [deviceId] : []), 1)
  return {
    guards: [deviceIsThere(device), ...(keyIds.length === 0 ? [] : [oneTimeKeysAreStill(device, keyIds, seen)])],
    writes: [
      ...(changed ? storeDeviceKeys(userId, deviceId, keysText, logPosition(1)) : []),
      ...list.writes,
      ...(fresh.length === 0 ? [] : [forgetClaimedKeys(device, app.clock.now() - REPEATED_WITHIN_MS)]),
      ...fresh.map((key) => insertOneTimeKey(device, key, logPosition(0))),
      ...upload.fallbackKeys.map((key) => storeFallbackKey(device, key)),
    ],
    log: [{ kind: ONE_TIME_KEYS, user: userId, device: deviceId }, ...list.log],
  }
}

async function checkRoom(app: App, device: DeviceName, more: number): Promise<void> {
  const { oneTime } = await keyCounts(app.db, device)
  const waiting = [...oneTime.values()].reduce((sum, count) => sum + count, 0)
  if (waiting + more > KEYS_MAX)
    throw new MatrixError('M_TOO_LARGE', `A device may leave ${KEYS_MAX} one-time keys here.`)
}
