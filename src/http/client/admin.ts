import { Type } from '@sinclair/typebox'
import { MatrixError } from '../../core/matrix-error.ts'
import { devicesOf } from '../../store/devices.ts'
import { userById } from '../../store/users.ts'
import { endpoint } from '../endpoint.ts'

/** Client-Server API, "Server administration": the devices of a user, for the user and for administrators. */
export const getWhoIs = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/admin/whois/{userId}',
  aliases: ['r0', 'unstable'],
  auth: 'access-token',
  params: Type.Object({ userId: Type.String() }),
  async handle(app, { user, params }) {
    const { userId } = params
    if (!user.admin && user.userId !== userId) throw new MatrixError('M_FORBIDDEN', 'This is for administrators.')
    if ((await userById(app.db, userId)) === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
    const devices = (await devicesOf(app.db, userId)).map((row) => {
      const connection = {
        ...(row.last_seen_ip !== null && { ip: row.last_seen_ip }),
        ...(row.last_seen_ts !== null && { last_seen: row.last_seen_ts }),
      }
      return [row.device_id, { sessions: [{ connections: [connection] }] }] as const
    })
    return { user_id: userId, devices: Object.fromEntries(devices) }
  },
})
