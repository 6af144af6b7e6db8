import { Type } from '@sinclair/typebox'
import { claimLocalKeys } from '../../actions/keys/claim-keys.ts'
import { serverNameOf } from '../../core/ids.ts'
import { FOR_SERVERS, knownKeys } from '../../store/known-keys.ts'
import { endpoint } from '../endpoint.ts'
import { mapOf } from '../map-of.ts'
import { claimedKeys, queriedKeys, readClaims, readQuery } from '../wire-keys.ts'

/** Server-Server API, "End-to-End Encryption": keys of the users of this server alone. */
export const queryUserEncryptionKeys = endpoint({
  method: 'POST',
  path: '/_matrix/federation/v1/user/keys/query',
  auth: 'federation-signature',
  body: Type.Object({ device_keys: mapOf(Type.Array(Type.String())) }),
  async handle(app, { body }) {
    const wanted = readQuery(body.device_keys)
    const ours = [...wanted.keys()].filter((userId) => serverNameOf(userId) === app.serverName)
    return queriedKeys({ keys: await knownKeys(app.db, ours, FOR_SERVERS), failures: [] }, wanted)
  },
})

export const claimUserEncryptionKeys = endpoint({
  method: 'POST',
  path: '/_matrix/federation/v1/user/keys/claim',
  auth: 'federation-signature',
  body: Type.Object({ one_time_keys: mapOf(mapOf(Type.String())) }),
  async handle(app, { body }) {
    const claims = readClaims(body.one_time_keys).filter(({ userId }) => serverNameOf(userId) === app.serverName)
    return claimedKeys({ keys: await claimLocalKeys(app, claims), failures: [] })
  },
})
