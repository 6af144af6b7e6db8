import { Type } from '@sinclair/typebox'
import { planCrossSigning, uploadCrossSigning } from '../../actions/keys/upload-cross-signing.ts'
import { type SignedKey, uploadSignatures } from '../../actions/keys/upload-signatures.ts'
import { CROSS_SIGNING_RESET } from '../../actions/sessions/approve-reset.ts'
import type { KeyUsage } from '../../core/cross-signing.ts'
import { isHistoricalUserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { confirmUser } from '../confirm-user.ts'
import { endpoint, LARGE_BODY_BYTES } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'
import { approveReset } from '../oauth/account-url.ts'
import { Auth } from '../uia.ts'

/** Keys signed in one upload. */
const SIGNED_MAX = 1_000

/** Client-Server API, "Cross-signing". */
export const uploadCrossSigningKeys = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/device_signing/upload',
  aliases: ['r0', 'unstable'],
  auth: 'access-token',
  rateLimit: 'login',
  body: Type.Object({
    auth: Type.Optional(Auth),
    master_key: Type.Optional(Type.Object({})),
    self_signing_key: Type.Optional(Type.Object({})),
    user_signing_key: Type.Optional(Type.Object({})),
  }),
  async handle(app, { user, body, raw, reply }) {
    const keys = [
      ['master', body.master_key],
      ['self_signing', body.self_signing_key],
      ['user_signing', body.user_signing_key],
    ] as const
    const upload = new Map<KeyUsage, JsonObject>()
    for (const [usage, key] of keys) if (key !== undefined) upload.set(usage, key as JsonObject)
    const plan = await planCrossSigning(app, user.userId, upload)
    if (plan.replaces && user.appservice === undefined) {
      const call = { endpoint: CROSS_SIGNING_RESET, body }
      const asked = user.oauth === true ? await approveReset(app, user, raw, call) : undefined
      if (asked !== undefined) return reply.code(401).send(asked)
      if (user.oauth !== true) await confirmUser(app, user, call)
    }
    await uploadCrossSigning(app, plan)
    return {}
  },
})

export const uploadCrossSigningSignatures = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/keys/signatures/upload',
  aliases: ['r0', 'unstable'],
  auth: 'access-token',
  rateLimit: 'other',
  bodyLimitBytes: LARGE_BODY_BYTES,
  body: mapOf(mapOf(Type.Object({}))),
  async handle(app, { user, body }) {
    const signed = Object.entries(body).flatMap(([userId, keys]): SignedKey[] =>
      Object.entries(keys).map(([target, json]) => ({ userId, target, json: json as JsonObject })),
    )
    if (signed.length > SIGNED_MAX) throw new MatrixError('M_TOO_LARGE', `An upload holds ${SIGNED_MAX} signed keys.`)
    if (!Object.keys(body).every(isHistoricalUserId))
      throw new MatrixError('M_INVALID_PARAM', 'Keys are listed by user.')
    const failures = new Map<string, Map<string, object>>()
    for (const { userId, target, errcode, error } of await uploadSignatures(app, user.userId, signed)) {
      const ofUser = failures.get(userId) ?? new Map()
      failures.set(userId, ofUser.set(target, { errcode, error }))
    }
    return { failures: Object.fromEntries([...failures].map(([userId, keys]) => [userId, Object.fromEntries(keys)])) }
  },
})
