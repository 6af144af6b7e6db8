import { Type } from '@sinclair/typebox'
import { claimKeys as claim } from '../../actions/keys/claim-keys.ts'
import { queryKeys as query } from '../../actions/keys/query-keys.ts'
import { uploadKeys as upload } from '../../actions/keys/upload-keys.ts'
import { deviceKeysFault } from '../../core/device-keys.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deviceListsSince } from '../../views/device-lists.ts'
import { shownCounts } from '../../views/key-counts.ts'
import { positionOf } from '../../views/tokens.ts'
import { endpoint, LARGE_BODY_BYTES } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'
import { claimedKeys, OtherKeys, queriedKeys, readClaims, readOtherKeys, readQuery } from '../wire-keys.ts'

/** Client-Server API, "Uploading keys". */
export const uploadKeys = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/upload',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  bodyLimitBytes: LARGE_BODY_BYTES,
  body: Type.Object({
    device_keys: Type.Optional(Type.Object({})),
    ...OtherKeys,
  }),
  async handle(app, { user, body }) {
    if (user.deviceId === '') throw new MatrixError('M_UNKNOWN_DEVICE', 'Keys are those of a device: name it.')
    const deviceKeys = body.device_keys as JsonObject | undefined
    const fault = deviceKeys === undefined ? undefined : deviceKeysFault(deviceKeys, user.userId, user.deviceId)
    if (fault !== undefined) throw new MatrixError('M_BAD_JSON', fault)
    return { one_time_key_counts: shownCounts(await upload(app, user, { deviceKeys, ...readOtherKeys(body) })) }
  },
})

export const queryKeys = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/query',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  bodyLimitBytes: LARGE_BODY_BYTES,
  body: Type.Object({
    timeout: Type.Optional(Type.Integer()),
    device_keys: mapOf(Type.Array(Type.String())),
  }),
  async handle(app, { user, body }) {
    const devices = readQuery(body.device_keys)
    const asking = { userId: user.userId, users: [...devices.keys()], timeoutMs: body.timeout }
    const found = await query(app, asking)
    return queriedKeys(found, devices)
  },
})

export const claimKeys = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/claim',
  aliases: ['r0'],
  auth: 'access-token',
  guest: true,
  rateLimit: 'other',
  bodyLimitBytes: LARGE_BODY_BYTES,
  body: Type.Object({
    timeout: Type.Optional(Type.Integer()),
    one_time_keys: mapOf(mapOf(Type.String())),
  }),
  async handle(app, { body }) {
    return claimedKeys(await claim(app, readClaims(body.one_time_keys), body.timeout))
  },
})

/** Client-Server API, "Tracking the device list for a user". */
export const getKeysChanges = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/keys/changes',
  aliases: ['r0'],
  auth: 'access-token',
  rateLimit: 'other',
  query: Type.Object({ from: Type.String(), to: Type.String() }),
  async handle(app, { user, query: { from, to } }) {
    const span = { since: positionOf(from), to: Math.min(positionOf(to), app.db.safePosition()) }
    return deviceListsSince(app, user.userId, span)
  },
})
