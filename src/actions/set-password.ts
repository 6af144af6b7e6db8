import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { forgetOtherDevices } from '../store/devices.ts'
import { updatePassword, userById } from '../store/users.ts'
import { checkPassword } from './create-account.ts'
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
  const loggedOut = onlyDevice === undefined ? [] : forgetOtherDevices(userId, onlyDevice)
  const news = onlyDevice === undefined ? ['user'] : ['user', 'session', 'device_list']
  await write(app, {
    guards: [],
    writes: [updatePassword(userId, hash), ...loggedOut],
    log: news.map((kind) => ({ kind, user: userId })),
  })
}
