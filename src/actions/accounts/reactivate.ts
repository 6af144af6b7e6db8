import type { App } from '../../app.ts'
import { reactivateUser } from '../../store/users.ts'
import { write } from '../write.ts'
import { checkPassword } from './create-account.ts'

/** Opens a closed account again, with a new password. Rooms and devices are not given back. Errors: M_WEAK_PASSWORD. */
export async function reactivate(app: App, userId: string, password: string): Promise<void> {
  checkPassword(password)
  const hash = await app.live.passwordHasher.hash(password)
  await write(app, { guards: [], writes: [reactivateUser(userId, hash)], log: [{ kind: 'user', user: userId }] })
}
