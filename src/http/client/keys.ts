import { Type } from '@sinclair/typebox'
import { claimKeys as claim } from '../../actions/claim-keys.ts'
import { queryKeys as query } from '../../actions/query-keys.ts'
import { uploadKeys as upload } from '../../actions/upload-keys.ts'
import { deviceKeysFault, type OneTimeKey, readOneTimeKeys } from '../../core/device-keys.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { deviceListsSince } from '../../views/device-lists.ts'
import { shownCounts } from '../../views/key-counts.ts'
import { positionOf } from '../../views/tokens.ts'
import { endpoint, LARGE_BODY_BYTES } from '../endpoint.ts'
import { claimedKeys, queriedKeys, readClaims, readQuery } from '../wire-keys.ts'

/** One-time keys in one upload: clients send a hundred at most. */
const ONE_TIME_KEYS_MAX = 500
/** One an algorithm. */
const FALLBACK_KEYS_MAX = 10
const Keys = Type.Record(Type.String(), Type.Unknown())

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
    one_time_keys: Type.Optional(Keys),
    fallback_keys: Type.Optional(Keys),
  }),
  async handle(app, { user, body }) {
    const deviceKeys = body.device_keys as JsonObject | undefined
    const fault = deviceKeys === undefined ? undefined : deviceKeysFault(deviceKeys, user.userId, user.deviceId)
    if (fault !== undefined) throw new MatrixError('M_BAD_JSON', fault)
    const oneTimeKeys = readKeys(body.one_time_keys, ONE_TIME_KEYS_MAX)
    const fallbackKeys = readKeys(body.fallback_keys, FALLBACK_KEYS_MAX)
    if (new Set(fallbackKeys.map((key) => key.algorithm)).size < fallbackKeys.length)
      throw new MatrixError('M_INVALID_PARAM', 'There is one fallback key an algorithm.')
    return { one_time_key_counts: shownCounts(await upload(app, user, { deviceKeys, oneTimeKeys, fallbackKeys })) }
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
    device_keys: Type.Record(Type.String(), Type.Array(Type.String())),
  }),
  async handle(app, { user, body }) {
    const devices = readQuery(body.device_keys)
    const found = await query(app, { userId: user.userId, users: [...devices.keys()] })
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
    one_time_keys: Type.Record(Type.String(), Type.Record(Type.String(), Type.String())),
  }),
  async handle(app, { body }) {
    return claimedKeys(await claim(app, readClaims(body.one_time_keys)))
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

function readKeys(keys: Record<string, unknown> | undefined, max: number): readonly OneTimeKey[] {
  const read = readOneTimeKeys((keys ?? {}) as JsonObject)
  if (typeof read === 'string') throw new MatrixError('M_INVALID_PARAM', read)
  if (read.length > max) throw new MatrixError('M_INVALID_PARAM', `An upload holds ${max} keys of a kind.`)
  return read
}
