import type { LogRow } from '../../db/database.ts'
import { logPosition, type Sql } from '../../db/sql.ts'
import { DEVICE_LIST, type DeviceListChange, insertDeviceListChange } from '../../store/device-lists.ts'

/**
 * The part of a batch by which others hear that keys or devices of a user changed: clients by `/sync`, servers by the
 * federation sender. `firstRow`: how many log rows of the batch come before those of this part.
 */
export function deviceListChanges(
  changes: readonly DeviceListChange[],
  firstRow: number,
): { readonly writes: Sql[]; readonly log: LogRow[] } {
  return {
    writes: changes.map((change, index) => insertDeviceListChange(change, logPosition(firstRow + index))),
    log: changes.map(({ userId, told }) => ({ kind: DEVICE_LIST, user: told, subject: userId })),
  }
}

/** The changes of some devices of a user, which everybody who shares a room with them hears of. */
export function devicesChanged(userId: string, deviceIds: readonly string[]): DeviceListChange[] {
  return deviceIds.map((deviceId) => ({ userId, deviceId, told: null }))
}
