import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Batch } from '../../db/database.ts'
import { deviceIdsOf, forgetAllDevices, forgetOtherDevices } from '../../store/devices.ts'
import { endsSessions, updatePassword, userById } from '../../store/users.ts'
import { deviceListChanges, devicesChanged } from '../keys/device-list-changes.ts'
import { write } from '../write.ts'
import { checkPassword } from './create-account.ts'

const UNCONDITIONAL = { guards: [], writes: [] }

/**
 * Gives a local account a new password; with `onlyDevice`, all other devices are logged out together with it, with null
 * all of them. False when a guard of `condition`, which is written with it, did not hold. Errors: M_NOT_FOUND,
 * M_USER_DEACTIVATED, M_WEAK_PASSWORD.
 */
export async function setPassword(
  app: App,
  userId: string,
  password: string,
  onlyDevice?: string | null,
  condition: Pick<Batch, 'guards' | 'writes'> = UNCONDITIONAL,
): Promise<boolean> {
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
  const written = await write(app, {
    guards: [...condition.guards, endsSessions(userId)],
    writes: [...condition.writes, updatePassword(userId, hash), ...loggedOut(userId, onlyDevice), ...list.writes],
    log: [...log, ...list.log],
  })
  return written !== undefined
}

function loggedOut(userId: string, onlyDevice: string | null | undefined) {
  if (onlyDevice === undefined) return []
  return onlyDevice === null ? forgetAllDevices(userId) : forgetOtherDevices(userId, onlyDevice)
}
