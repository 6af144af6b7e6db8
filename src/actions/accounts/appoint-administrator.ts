import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { setAdministrator, userById } from '../../store/users.ts'
import { write } from '../write.ts'

/** Makes a user an administrator, or an administrator a user. Errors: M_FORBIDDEN for guests and services. */
export async function appointAdministrator(app: App, userId: string, admin: boolean): Promise<void> {
  const user = await userById(app.db, userId)
  if (user?.kind !== 'admin' && user?.kind !== 'user') {
    throw new MatrixError('M_FORBIDDEN', `${userId} cannot be an administrator.`)
  }
  await write(app, { guards: [], writes: [setAdministrator(userId, admin)], log: [{ kind: 'user', user: userId }] })
}
