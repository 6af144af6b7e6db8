import type { App } from '../../app.ts'
import { forgetDevices } from '../../store/devices.ts'
import { deviceListChanges, devicesChanged } from '../keys/device-list-changes.ts'
import { write } from '../write.ts'

/** Ends the sessions of some devices of a user, all at once. Unknown devices are passed over. */
export async function deleteDevices(app: App, userId: string, deviceIds: readonly string[]): Promise<void> {
  const known = [...new Set(deviceIds)]
  const list = deviceListChanges(devicesChanged(userId, known), known.length)
  await write(app, {
    guards: [],
    writes: [...forgetDevices(userId, known), ...list.writes],
    log: [...known.map((device) => ({ kind: 'session', user: userId, device })), ...list.log],
  })
}
