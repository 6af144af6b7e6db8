import type { App } from '../../app.ts'
import { insertDevice } from '../../store/devices.ts'
import { deviceListChanges, devicesChanged } from '../keys/device-list-changes.ts'
import { write } from '../write.ts'

/** Makes a device without a session, for an application service. One that is there already stays as it is. */
export async function createDevice(
  app: App,
  userId: string,
  deviceId: string,
  displayName: string | undefined,
): Promise<void> {
  const list = deviceListChanges(devicesChanged(userId, [deviceId]), 0)
  const device = insertDevice(userId, deviceId, displayName ?? null, app.clock.now())
  await write(app, { guards: [], writes: [device, ...list.writes], log: list.log })
}
