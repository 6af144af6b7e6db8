import type { App } from '../../app.ts'
import { deviceOfGrant } from '../../store/sessions.ts'
import { logOut } from './log-in.ts'
import { hashToken } from './session-tokens.ts'

/**
 * Logs out the device that a client of OAuth 2.0 has the token for, of either kind (Client-Server API, "Token
 * revocation"). Whoever has the token may end it, with the id of another client too: it may be one who found it.
 */
export async function revokeToken(app: App, token: string): Promise<void> {
  const device = await deviceOfGrant(app.db, hashToken(token))
  if (device !== undefined) await logOut(app, device.user_id, device.device_id)
}
