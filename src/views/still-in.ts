import type { App } from '../app.ts'
import { MatrixError, userLocked } from '../core/matrix-error.ts'
import { deviceIsIn } from '../store/sessions.ts'
import type { Viewer } from './client-events.ts'

/**
 * Ends the poll of who was logged out or locked while it waited. Asked just before each wait, with a position from
 * before: whatever happens to the account afterwards has a row in the log, and wakes. Errors: M_UNKNOWN_TOKEN,
 * M_USER_LOCKED.
 */
export async function checkStillIn(app: App, { userId, deviceId }: Viewer): Promise<void> {
  const device = await deviceIsIn(app.db, userId, deviceId)
  if (device === undefined) throw new MatrixError('M_UNKNOWN_TOKEN', 'The access token is not known any more.')
  if (device.locked) throw userLocked()
}
