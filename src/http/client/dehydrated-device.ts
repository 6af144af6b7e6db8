import { Type } from '@sinclair/typebox'
import { dehydrateDevice, deleteDehydrated } from '../../actions/keys/dehydrate-device.ts'
import { deviceKeysFault } from '../../core/device-keys.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { dehydratedEvents, shownDehydrated } from '../../views/dehydrated-device.ts'
import { endpoint, LARGE_BODY_BYTES } from '../endpoint.ts'
import { DeviceId, DeviceName } from '../texts.ts'
import { OtherKeys, readOtherKeys } from '../wire-keys.ts'

const PATH = '/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device'
const eventsParams = Type.Object({ deviceId: Type.String() })

/**
 * MSC3814, "Dehydrated devices", which the specification does not have yet: clients find out by asking whether a
 * server has it.
 */
export const putDehydratedDevice = endpoint({
  method: 'PUT',
  path: PATH,
  auth: 'access-token',
  rateLimit: 'other',
  bodyLimitBytes: LARGE_BODY_BYTES,
  body: Type.Object({
    device_id: DeviceId,
    device_data: Type.Object({ algorithm: Type.String() }),
    initial_device_display_name: Type.Optional(DeviceName),
    device_keys: Type.Object({}),
    ...OtherKeys,
  }),
  async handle(app, { user: { userId }, body }) {
    const deviceId = body.device_id
    const deviceKeys = body.device_keys as JsonObject
    const fault = deviceKeysFault(deviceKeys, userId, deviceId)
    if (fault !== undefined) throw new MatrixError('M_BAD_JSON', fault)
    await dehydrateDevice(app, {
      userId,
      deviceId,
      displayName: body.initial_device_display_name ?? null,
      deviceData: body.device_data as JsonObject,
      deviceKeys,
      ...readOtherKeys(body),
    })
    return { device_id: deviceId }
  },
})

export const getDehydratedDevice = endpoint({
  method: 'GET',
  path: PATH,
  auth: 'access-token',
  rateLimit: 'other',
  handle: (app, { user }) => shownDehydrated(app, user.userId),
})

export const deleteDehydratedDevice = endpoint({
  method: 'DELETE',
  path: PATH,
  auth: 'access-token',
  rateLimit: 'other',
  handle: async (app, { user }) => ({ device_id: await deleteDehydrated(app, user.userId) }),
})

/** The page after the last one has no `next_batch`. */
export const getDehydratedEvents = endpoint({
  method: 'GET',
  path: `${PATH}/{deviceId}/events`,
  auth: 'access-token',
  rateLimit: 'other',
  params: eventsParams,
  query: Type.Object({ from: Type.Optional(Type.String()) }),
  async handle(app, { user, params, query }) {
    const { texts, next, more } = await dehydratedEvents(app, user.userId, params.deviceId, query.from)
    return eventsText(texts, more ? next : undefined)
  },
})

/** As clients had it before: they ask until a page is empty. */
export const postDehydratedEvents = endpoint({
  method: 'POST',
  path: `${PATH}/{deviceId}/events`,
  auth: 'access-token',
  rateLimit: 'other',
  params: eventsParams,
  body: Type.Object({ next_batch: Type.Optional(Type.String()) }),
  async handle(app, { user, params, body }) {
    const { texts, next } = await dehydratedEvents(app, user.userId, params.deviceId, body.next_batch)
    return eventsText(texts, next)
  },
})

function eventsText(texts: readonly string[], next: string | undefined): string {
  const nextBatch = next === undefined ? '' : `,"next_batch":${JSON.stringify(next)}`
  return `{"events":[${texts.join(',')}]${nextBatch}}`
}
