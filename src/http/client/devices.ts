import { Type } from '@sinclair/typebox'
import { renameDevice } from '../../actions/rename-device.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type DeviceRow, deviceOf, devicesOf } from '../../store/devices.ts'
import { endpoint } from '../endpoint.ts'

const deviceParams = Type.Object({ deviceId: Type.String() })

/** Client-Server API, "Device Management". */
export const getDevices = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices',
  aliases: ['r0'],
  auth: 'access-token',
  handle: async (app, { user }) => ({ devices: (await devicesOf(app.db, user.userId)).map(wireDevice) }),
})

export const getDevice = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices/{deviceId}',
  aliases: ['r0'],
  auth: 'access-token',
  params: deviceParams,
  handle: async (app, { user, params }) => wireDevice(await knownDevice(app, user.userId, params.deviceId)),
})

export const updateDevice = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/devices/{deviceId}',
  aliases: ['r0'],
  auth: 'access-token',
  params: deviceParams,
  body: Type.Object({ display_name: Type.Optional(Type.String({ maxLength: 100 })) }),
  async handle(app, { user, params, body }) {
    await knownDevice(app, user.userId, params.deviceId)
    if (body.display_name !== undefined) await renameDevice(app, user.userId, params.deviceId, body.display_name)
    return {}
  },
})

async function knownDevice(app: App, userId: string, deviceId: string): Promise<DeviceRow> {
  const device = await deviceOf(app.db, userId, deviceId)
  if (device === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such device.')
  return device
}

function wireDevice(row: DeviceRow) {
  return {
    device_id: row.device_id,
    ...(row.display_name !== null && { display_name: row.display_name }),
    ...(row.last_seen_ip !== null && { last_seen_ip: row.last_seen_ip }),
    ...(row.last_seen_ts !== null && { last_seen_ts: row.last_seen_ts }),
  }
}
