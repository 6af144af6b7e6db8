import type { App } from '../app.ts'
import { forgetAllDevices } from '../store/devices.ts'
import { deleteBackupsOf } from '../store/key-backups.ts'
import { deactivateUser } from '../store/users.ts'
import { write } from './write.ts'

/**
 * Closes a local account for ever: no password, no session, no device, no key backup. Rooms are left by
 * `evacuateUser`.
 */
export async function deactivate(app: App, userId: string, erase: boolean): Promise<void> {
  await write(app, {
    guards: [],
    writes: [deactivateUser(userId, erase), ...forgetAllDevices(userId), ...deleteBackupsOf(userId)],
    log: [
      { kind: 'user', user: userId },
      { kind: 'session', user: userId },
      { kind: 'device_list', user: userId },
    ],
  })
}
