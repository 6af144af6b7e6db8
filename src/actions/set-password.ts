import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { deviceIdsOf, forgetOtherDevices } from '../store/devices.ts'
import { updatePassword, userById } from '../store/users.ts'
import { checkPassword } from './create-account.ts'
import { deviceListChanges, devicesChanged } from './device-list-changes.ts'
import { write } from './write.ts'

/**
 * Gives a local account a new password; with `onlyDevice`, all other devices are logged out together with it. Errors:
 * M_NOT_FOUND, M_USER_DEACTIVATED, M_WEAK_PASSWORD.
 */
export async function setPassword(app: App, userId: string, password: string, onlyDevice?: string): Promise<void> {
  checkPassword(password)
  const user = await userById(app.db, userId)
  if (user === undefined) throw new MatrixError('M_NOT_FOUND', `${userId} does not exist.`)
  if (user.deactivated === 1) throw new MatrixError('M_USER_DEACTIVATED', `${userId} is deactivated.`)
  const hash = await app.live.passwordHasher.hash(password)
  const gone = onlyDevice === undefined ? [] : (await deviceIdsOf(app.db, userId)).filter((id) => id !== onlyDevice)
  const log = [
    { kind: 'user', user: userId },
    { kind: 'session', user: userId },
  ]
  const list = deviceListChanges(devicesChanged(userId, gone), log.length)
  const loggedOut = onlyDevice === undefined ? [] : forgetOtherDevices(userId, onlyDevice)
  await write(app, {
    guards: [],
    writes: [updatePassword(userId, hash), ...loggedOut, ...list.writes],
    log: [...log, ...list.log],
  })
}
