import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { threepidIsOf, threepidOwner } from '../../store/threepids.ts'
import { type ProvedThreepid, useUp } from './proved-threepid.ts'
import { setPassword } from './set-password.ts'

/**
 * A new password for the user whose address was proved, who is logged out everywhere unless `keepDevices`. Errors:
 * M_WEAK_PASSWORD, M_THREEPID_NOT_FOUND, M_THREEPID_AUTH_FAILED when the proof is used up meanwhile.
 */
export async function resetPassword(
  app: App,
  proved: ProvedThreepid,
  password: string,
  keepDevices: boolean,
): Promise<void> {
  const userId = await threepidOwner(app.db, proved)
  if (userId === undefined) throw new MatrixError('M_THREEPID_NOT_FOUND', 'The address belongs to no account.')
  const { guards, writes } = useUp(app, proved)
  const condition = { guards: [...guards, threepidIsOf(proved, userId)], writes }
  if (await setPassword(app, userId, password, keepDevices ? undefined : null, condition)) return
  throw new MatrixError('M_THREEPID_AUTH_FAILED', 'The mail has been used already.')
}
