import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deleteLoginToken, loginTokenIsGood, userOfLoginToken } from '../../store/login-tokens.ts'
import { write } from '../write.ts'
import { hashToken } from './session-tokens.ts'

/**
 * The user whom a login token is for. Of those who come with one at the same time, one gets in. Errors: M_FORBIDDEN for
 * a token that is unknown, spent or too old.
 */
export async function spendLoginToken(app: App, token: string): Promise<UserId> {
  const hash = hashToken(token)
  const userId = await userOfLoginToken(app.db, hash)
  const guards = userId === undefined ? [] : [loginTokenIsGood(hash, userId, app.clock.now())]
  const spent = userId && (await write(app, { guards, writes: [deleteLoginToken(hash)], log: [] }))
  if (!spent) throw new MatrixError('M_FORBIDDEN', 'The login token is not known, used up or too old.')
  return userId as UserId
}
