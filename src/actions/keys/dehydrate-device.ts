import type { App } from '../../app.ts'
import type { OneTimeKey } from '../../core/device-keys.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { logPosition } from '../../db/sql.ts'
import { dehydratedDevice, insertDehydrated, placeForDehydrated } from '../../store/dehydrated-devices.ts'
import { storeDeviceKeys } from '../../store/device-keys.ts'
import { forgetDevices } from '../../store/devices.ts'
import { insertOneTimeKey, storeFallbackKey } from '../../store/one-time-keys.ts'
import { deleteDevices } from '../sessions/delete-devices.ts'
import { write } from '../write.ts'
import { deviceListChanges, devicesChanged } from './device-list-changes.ts'

/** A device that nobody is logged in to: it takes messages, which the user’s next device reads in its place. */
export interface Dehydration {
  readonly userId: string
  readonly deviceId: string
  readonly displayName: string | null
  readonly deviceData: JsonObject
  readonly deviceKeys: JsonObject
  readonly oneTimeKeys: readonly OneTimeKey[]
  readonly fallbackKeys: readonly OneTimeKey[]
}

const MAX_DATA_BYTES = 65_536
/** Tries when the user's devices change at the same time. */
const MAX_TRIES = 10

/**
 * Puts the device in the place of the user's earlier dehydrated one (MSC3814), with all of its keys at once. Errors:
 * M_INVALID_PARAM when somebody is logged in to it, M_TOO_LARGE.
 */
export async function dehydrateDevice(app: App, wish: Dehydration): Promise<void> {
  const { userId, deviceId, displayName, deviceKeys } = wish
  const deviceData = canonicalJson(wish.deviceData)
  if (Buffer.byteLength(deviceData) > MAX_DATA_BYTES) throw new MatrixError('M_TOO_LARGE', 'device_data is too large.')
  for (let attempt = 0; attempt < MAX_TRIES; attempt++) {
    const place = await placeForDehydrated(app.db, userId, deviceId)
    if (place.taken) throw new MatrixError('M_INVALID_PARAM', 'A living device has this id.')
    const changed = [...new Set([...place.replaced, deviceId])]
    const list = deviceListChanges(devicesChanged(userId, changed), 0)
    const device = { userId, deviceId }
    // Where the change of this device stands in the log.
    const position = logPosition(changed.indexOf(deviceId))
    const writes = [
      ...forgetDevices(userId, place.replaced),
      ...insertDehydrated({ userId, deviceId, displayName, deviceData }, app.clock.now()),
      ...storeDeviceKeys(userId, deviceId, canonicalJson(deviceKeys), position),
      ...wish.oneTimeKeys.map((key) => insertOneTimeKey(device, key, position)),
      ...wish.fallbackKeys.map((key) => storeFallbackKey(device, key)),
      ...list.writes,
    ]
    if ((await write(app, { guards: [place.guard], writes, log: list.log })) !== undefined) return
  }
  throw new MatrixError('M_UNKNOWN', 'The devices are being changed too quickly; try again.', {}, 503)
}

/** Forgets the user's dehydrated device and what waits for it. Resolves with its id. Errors: M_NOT_FOUND. */
export async function deleteDehydrated(app: App, userId: string): Promise<string> {
  const device = await dehydratedDevice(app.db, userId)
  if (device === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no dehydrated device.')
  await deleteDevices(app, userId, [device.device_id])
  return device.device_id
}
