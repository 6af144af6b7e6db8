import type { App } from '../../app.ts'
import { deleteAllCrossSigningKeys } from '../../store/cross-signing.ts'
import { deviceIdsOf, forgetAllDevices } from '../../store/devices.ts'
import { deleteBackupsOf } from '../../store/key-backups.ts'
import { deletePushersOf } from '../../store/pushers.ts'
import { deleteExternalIds } from '../../store/sso.ts'
import { leaveRoomsTask, newTask } from '../../store/tasks.ts'
import { deleteThreepidsOf } from '../../store/threepids.ts'
import { deactivateUser, endsSessions, erasePersonalData } from '../../store/users.ts'
import { deviceListChanges, devicesChanged } from '../keys/device-list-changes.ts'
import { write } from '../write.ts'

/** A task leaves the rooms then, in case that whoever closed the account did not. */
const ROOMS_LEFT_WITHIN_MS = 600_000

/**
 * Closes a local account for ever: no password, no session, no device, no keys and no backup of them, no address, no
 * login elsewhere. With `erase`, who comes into its rooms later reads nothing of it, and its profile and settings are
 * gone. Rooms are left by `evacuateUser` afterwards: before, its owner could come back into one while others are left.
 */
export async function deactivate(app: App, userId: string, erase: boolean): Promise<void> {
  const log = [
    { kind: 'user', user: userId },
    { kind: 'session', user: userId },
  ]
  const devices = devicesChanged(userId, await deviceIdsOf(app.db, userId))
  const task = newTask(leaveRoomsTask(userId, app.clock.now() + ROOMS_LEFT_WITHIN_MS))
  const list = deviceListChanges([...devices, { userId, deviceId: null, told: null }], log.length)
  await write(app, {
    guards: [endsSessions(userId)],
    writes: [
      deactivateUser(userId, erase),
      ...forgetAllDevices(userId),
      deleteAllCrossSigningKeys(userId),
      ...deleteBackupsOf(userId),
      deleteThreepidsOf(userId),
      deletePushersOf(userId),
      deleteExternalIds(userId),
      ...(erase ? erasePersonalData(userId) : []),
      ...list.writes,
      ...task.writes,
    ],
    log: [...log, ...list.log, ...task.log],
  })
}
