import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { devicesOf } from '../store/devices.ts'
import { userById } from '../store/users.ts'

/** The devices of a user, and where they were last seen. Errors: M_NOT_FOUND. */
export async function whois(app: App, userId: string): Promise<object> {
  if ((await userById(app.db, userId)) === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  const devices = (await devicesOf(app.db, userId)).map((row) => {
    const connection = {
      ip: row.last_seen_ip,
      ...(row.last_seen_user_agent !== null && { user_agent: row.last_seen_user_agent }),
      last_seen: row.last_seen_ts,
    }
    return [row.device_id, { sessions: [{ connections: row.last_seen_ip === null ? [] : [connection] }] }] as const
  })
  return { user_id: userId, devices: Object.fromEntries(devices) }
}
