import { Type } from '@sinclair/typebox'
import { serverNameOf } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { streamIdOf } from '../../store/device-lists.ts'
import { FOR_SERVERS, knownKeys } from '../../store/known-keys.ts'
import { userById } from '../../store/users.ts'
import { endpoint } from '../endpoint.ts'

/** Server-Server API, "Device Management": all devices of a user of this server that have keys. */
export const getUserDevices = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/user/devices/{userId}',
  auth: 'federation-signature',
  params: Type.Object({ userId: Type.String() }),
  async handle(app, { params: { userId } }) {
    const isOurs = serverNameOf(userId) === app.serverName
    if (!isOurs || (await userById(app.db, userId)) === undefined)
      throw new MatrixError('M_NOT_FOUND', 'There is no such user here.')
    // First the number: what changes meanwhile is told by an EDU that follows upon it.
    const streamId = await streamIdOf(app.db, userId)
    const keys = (await knownKeys(app.db, [userId], FOR_SERVERS)).get(userId)
    const master = keys?.crossSigning.get('master')
    const selfSigning = keys?.crossSigning.get('self_signing')
    return {
      user_id: userId,
      stream_id: streamId,
      devices: [...(keys?.devices ?? [])].map(([deviceId, ofDevice]) => ({ device_id: deviceId, keys: ofDevice })),
      ...(master !== undefined && { master_key: master }),
      ...(selfSigning !== undefined && { self_signing_key: selfSigning }),
    }
  },
})
