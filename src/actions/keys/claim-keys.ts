import type { App } from '../../app.ts'
import { readOneTimeKeys } from '../../core/device-keys.ts'
import { isServerName, type ServerName, serverNameOf } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { askServer, federationPath } from '../../remote/ask-server.ts'
import type { DeviceName } from '../../store/device-keys.ts'
import {
  claimOneTimeKey,
  fallbackKey,
  markFallbackKeyUsed,
  nextOneTimeKey,
  ONE_TIME_KEYS,
  oneTimeKeyIsFree,
  type StoredOneTimeKey,
} from '../../store/one-time-keys.ts'
import { askServers, byServer } from '../federation/ask-servers.ts'
import { write } from '../write.ts'
import type { Patience } from './resync-device-list.ts'

export interface KeyClaim extends DeviceName {
  readonly algorithm: string
}

/** A key as JSON text, under the name that has its algorithm: `signed_curve25519:AAAAHQ`. */
export interface ClaimedKey extends KeyClaim {
  readonly name: string
  readonly key: string
}

export interface ClaimedKeys {
  readonly keys: readonly ClaimedKey[]
  /** Servers that did not answer. */
  readonly failures: readonly string[]
}

const ANSWER_BYTES_MAX = 16 * 1_024 * 1_024

/** Claims keys of devices, whichever server they are of (Client-Server API, `/keys/claim`). */
export async function claimKeys(
  app: App,
  claims: readonly KeyClaim[],
  timeoutMs: number | undefined,
): Promise<ClaimedKeys> {
  const groups = byServer(app, claims, ({ userId }) => serverNameOf(userId))
  for (const server of groups.keys()) if (!isServerName(server)) groups.delete(server)
  const keys: ClaimedKey[] = []
  const [local, failures] = await Promise.all([
    claimLocalKeys(
      app,
      claims.filter(({ userId }) => serverNameOf(userId) === app.serverName),
    ),
    askServers(app, groups, timeoutMs, async (server, wanted, patience) => {
      keys.push(...(await claimOfServer(app, server, wanted, patience)))
    }),
  ])
  return { keys: [...local, ...keys], failures }
}

/** Server-Server API, `/user/keys/claim`. Keys that were not asked for are passed over. */
async function claimOfServer(
  app: App,
  server: ServerName,
  claims: readonly KeyClaim[],
  patience: Patience,
): Promise<ClaimedKey[]> {
  const wanted = new Map<string, JsonObject>()
  for (const { userId, deviceId, algorithm } of claims)
    wanted.set(userId, { ...wanted.get(userId), [deviceId]: algorithm })
  const content = { one_time_keys: Object.fromEntries(wanted) }
  const uri = federationPath`/v1/user/keys/claim`
  const answer = await askServer(app, server, { method: 'POST', uri, content, maxBytes: ANSWER_BYTES_MAX, ...patience })
  return claims.flatMap((claim) => {
    const ofDevice = within(within(within(answer, 'one_time_keys'), claim.userId), claim.deviceId)
    const read = readOneTimeKeys(isObject(ofDevice) ? ofDevice : {})
    const key = typeof read === 'string' ? undefined : read.find(({ algorithm }) => algorithm === claim.algorithm)
    return key === undefined ? [] : [{ ...claim, name: `${key.algorithm}:${key.keyId}`, key: key.key }]
  })
}

function within(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isObject(value) ? own(value, key) : undefined
}

/** Tries when other processes claim keys of the same device at the same time. */
const TRIES_MAX = 50
/** Claims of one request that are under way at once. */
const AT_ONCE_MAX = 50

/**
 * Gives away a one-time key of each device, of those uploaded first, or its fallback key when none is left. A key is
 * never given to anybody else, not even when the answer with it is lost: that it is claimed is durable before.
 */
export async function claimLocalKeys(app: App, claims: readonly KeyClaim[]): Promise<ClaimedKey[]> {
  const claimed: ClaimedKey[] = []
  for (let start = 0; start < claims.length; start += AT_ONCE_MAX) {
    const some = claims.slice(start, start + AT_ONCE_MAX)
    const keys = await Promise.all(
      some.map((claim) => app.live.keyClaims.run(`${claim.userId} ${claim.deviceId}`, () => claimOne(app, claim))),
    )
    for (const [index, key] of keys.entries()) {
      if (key === undefined) continue
      const claim = some[index]!
      claimed.push({ ...claim, name: `${key.algorithm}:${key.key_id}`, key: key.key })
    }
  }
  return claimed
}

async function claimOne(app: App, claim: KeyClaim): Promise<StoredOneTimeKey | undefined> {
  const log = [{ kind: ONE_TIME_KEYS, user: claim.userId, device: claim.deviceId }]
  for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
    const key = await nextOneTimeKey(app.db, claim, claim.algorithm)
    if (key === undefined) {
      const last = await fallbackKey(app.db, claim, claim.algorithm)
      if (last?.used === 0) await write(app, { guards: [], writes: [markFallbackKeyUsed(claim, last)], log })
      return last
    }
    const writes = [claimOneTimeKey(claim, key, app.clock.now())]
    if ((await write(app, { guards: [oneTimeKeyIsFree(claim, key)], writes, log })) !== undefined) return key
  }
  throw new MatrixError('M_UNKNOWN', 'Too many ask for keys of this device; try again.', {}, 503)
}
