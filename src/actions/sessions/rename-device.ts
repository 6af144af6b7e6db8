import type { App } from '../../app.ts'
import { updateDeviceName } from '../../store/devices.ts'
import { deviceListChanges, devicesChanged } from '../keys/device-list-changes.ts'
import { write } from '../write.ts'

/** Gives a device another name, which other users see with its keys. A device that is gone stays gone. */
export async function renameDevice(app: App, userId: string, deviceId: string, displayName: string): Promise<void> {
  const list = deviceListChanges(devicesChanged(userId, [deviceId]), 0)
  await write(app, {
    guards: [],
    writes: [updateDeviceName(userId, deviceId, displayName), ...list.writes],
    log: list.log,
  })
}
