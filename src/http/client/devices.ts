import { Type } from '@sinclair/typebox'
import { createDevice } from '../../actions/sessions/create-device.ts'
import { deleteDevices } from '../../actions/sessions/delete-devices.ts'
import { renameDevice } from '../../actions/sessions/rename-device.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type DeviceRow, deviceOf, devicesOf } from '../../store/devices.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint } from '../endpoint.ts'
import { DeviceId, DeviceName } from '../texts.ts'
import { Auth } from '../uia.ts'

/** Most devices deleted at once. */
const MAX_DELETED = 1_000
const deviceParams = Type.Object({ deviceId: Type.String() })

/** Client-Server API, "Device Management". */
export const getDevices = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  handle: async (app, { user }) => ({ devices: (await devicesOf(app.db, user.userId)).map(wireDevice) }),
})

export const getDevice = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices/{deviceId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  params: deviceParams,
  handle: async (app, { user, params }) => wireDevice(await knownDevice(app, user.userId, params.deviceId)),
})

/** Application services make devices of their users so (Application Service API, "Device management"). */
export const updateDevice = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/devices/{deviceId}',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  params: Type.Object({ deviceId: DeviceId }),
  body: Type.Object({ display_name: Type.Optional(DeviceName) }),
  async handle(app, { user, params, body, reply }) {
    if (user.appservice !== undefined && (await deviceOf(app.db, user.userId, params.deviceId)) === undefined) {
      await createDevice(app, user.userId, params.deviceId, body.display_name)
      return reply.code(201).send({})
    }
    await knownDevice(app, user.userId, params.deviceId)
    if (body.display_name !== undefined) await renameDevice(app, user.userId, params.deviceId, body.display_name)
    return {}
  },
})

export const deleteDevice = endpoint({
  method: 'DELETE',
  path: '/_matrix/client/v3/devices/{deviceId}',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  params: deviceParams,
  body: Type.Object({ auth: Type.Optional(Auth) }),
  async handle(app, { user, params, body }) {
    if (user.appservice === undefined)
      await confirmUser(app, user, { endpoint: `DELETE /devices/${params.deviceId}`, body })
    await deleteDevices(app, user.userId, [params.deviceId])
    return {}
  },
})

export const deleteManyDevices = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/delete_devices',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({
    auth: Type.Optional(Auth),
    devices: Type.Array(DeviceId, { maxItems: MAX_DELETED }),
  }),
  async handle(app, { user, body }) {
    if (user.appservice === undefined) await confirmUser(app, user, { endpoint: 'POST /delete_devices', body })
    await deleteDevices(app, user.userId, body.devices)
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
