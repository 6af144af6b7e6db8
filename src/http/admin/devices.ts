import { Type } from '@sinclair/typebox'
import { deleteDevices } from '../../actions/sessions/delete-devices.ts'
import { renameDevice } from '../../actions/sessions/rename-device.ts'
import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type DeviceRow, deviceOf, devicesOf } from '../../store/devices.ts'
import { DeviceId, DeviceName } from '../texts.ts'
import { adminEndpoint, localUser } from './administrator.ts'

const PATH = '/_synapse/admin/v2/users/{userId}'
const DELETED_MAX = 1_000
const UserParams = Type.Object({ userId: Type.String() })
const DeviceParams = Type.Object({ userId: Type.String(), deviceId: Type.String() })

/** The devices of a user, as the administration API of Synapse has them. */
export const listDevicesOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/devices`,
  params: UserParams,
  async handle(app, { params }) {
    const { user_id: userId } = await localUser(app, params.userId)
    const devices = await devicesOf(app.db, userId)
    return { devices: devices.map((row) => wire(userId, row)), total: devices.length }
  },
})

export const getDeviceOf = adminEndpoint({
  method: 'GET',
  path: `${PATH}/devices/{deviceId}`,
  params: DeviceParams,
  handle: async (app, { params }) => wire(params.userId, await knownDevice(app, params)),
})

export const putDeviceOf = adminEndpoint({
  method: 'PUT',
  path: `${PATH}/devices/{deviceId}`,
  rateLimit: 'other',
  params: DeviceParams,
  body: Type.Object({ display_name: Type.Optional(DeviceName) }),
  async handle(app, { params, body }) {
    await knownDevice(app, params)
    if (body.display_name !== undefined) await renameDevice(app, params.userId, params.deviceId, body.display_name)
    return {}
  },
})

export const deleteDeviceOf = adminEndpoint({
  method: 'DELETE',
  path: `${PATH}/devices/{deviceId}`,
  rateLimit: 'other',
  params: DeviceParams,
  async handle(app, { params }) {
    await knownDevice(app, params)
    await deleteDevices(app, params.userId, [params.deviceId])
    return {}
  },
})

export const deleteDevicesOf = adminEndpoint({
  method: 'POST',
  path: `${PATH}/delete_devices`,
  rateLimit: 'other',
  params: UserParams,
  body: Type.Object({ devices: Type.Array(DeviceId, { maxItems: DELETED_MAX }) }),
  async handle(app, { params, body }) {
    await deleteDevices(app, (await localUser(app, params.userId)).user_id, body.devices)
    return {}
  },
})

async function knownDevice(app: App, params: { userId: string; deviceId: string }): Promise<DeviceRow> {
  const { user_id: userId } = await localUser(app, params.userId)
  const device = await deviceOf(app.db, userId, params.deviceId)
  if (device === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such device.')
  return device
}

function wire(userId: string, row: DeviceRow) {
  return { user_id: userId, ...row }
}
