import type { App } from '../../app.ts'
import { type CrossSigningKey, isSignedBy, type KeyUsage, readCrossSigningKey } from '../../core/cross-signing.ts'
import { canonicalJson, type JsonObject, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { logPosition, type Sql } from '../../db/sql.ts'
import {
  type CrossSigningRow,
  crossSigningKeysAreStill,
  crossSigningKeysOf,
  deleteCrossSigningKeys,
  deleteSignaturesOf,
  storeCrossSigningKey,
} from '../../store/cross-signing.ts'
import { deviceIdsOf } from '../../store/devices.ts'
import { write } from '../write.ts'
import { deviceListChanges } from './device-list-changes.ts'

export type CrossSigningUpload = ReadonlyMap<KeyUsage, JsonObject>

/** An upload that holds what it should, beside what the user has already. */
export interface CrossSigningPlan {
  readonly userId: string
  readonly keys: ReadonlyMap<KeyUsage, CrossSigningKey>
  readonly seen: readonly CrossSigningRow[]
  /** The user has a master key, and something in the upload is new: they have to authenticate. */
  readonly replaces: boolean
}

/**
 * Checks an upload of cross-signing keys (Client-Server API, `/keys/device_signing/upload`). Errors: M_INVALID_PARAM,
 * M_MISSING_PARAM without a master key, M_INVALID_SIGNATURE for a key that the master key did not sign, M_FORBIDDEN for
 * a public key that is the id of a device.
 */
export async function planCrossSigning(
  app: App,
  userId: string,
  upload: CrossSigningUpload,
): Promise<CrossSigningPlan> {
  const seen = await crossSigningKeysOf(app.db, [userId])
  const known = new Map(seen.map((row) => [row.usage, read(parseJson(row.key) as JsonObject, userId, row.usage)]))
  const keys = new Map([...upload].map(([usage, json]) => [usage, read(json, userId, usage)]))
  const master = keys.get('master') ?? known.get('master')
  if (master === undefined) throw new MatrixError('M_MISSING_PARAM', 'There is no master key.')
  for (const { usage, json } of keys.values()) {
    if (usage !== 'master' && !isSignedBy(json, userId, master))
      throw new MatrixError('M_INVALID_SIGNATURE', `The ${usage} key is not signed by the master key.`)
  }
  const devices = new Set(await deviceIdsOf(app.db, userId))
  if ([...keys.values()].some((key) => devices.has(key.publicKey)))
    throw new MatrixError('M_FORBIDDEN', 'A public key is the id of a device.')
  const isNew = (key: CrossSigningKey) => known.get(key.usage)?.publicKey !== key.publicKey
  const replaces = known.has('master') && [...keys.values()].some(isNew)
  return { userId, keys, seen, replaces }
}

/** Stores what was planned. Errors: M_UNKNOWN when the keys have changed since. */
export async function uploadCrossSigning(app: App, { userId, keys, seen }: CrossSigningPlan): Promise<void> {
  const texts = new Map(seen.map((row) => [row.usage, row.key]))
  const fresh = [...keys.values()].filter((key) => texts.get(key.usage) !== canonicalJson(key.json))
  if (fresh.length === 0) return
  // Keys of their own alone concern nobody else.
  const told = fresh.every((key) => key.usage === 'user_signing') ? userId : null
  const list = deviceListChanges([{ userId, deviceId: null, told }], 0)
  const stored = fresh.map((key) =>
    storeCrossSigningKey({ user_id: userId, usage: key.usage, key: canonicalJson(key.json) }, logPosition(0)),
  )
  const written = await write(app, {
    guards: [crossSigningKeysAreStill(userId, seen)],
    writes: [...forgetOldMaster(userId, keys, seen), ...stored, ...list.writes],
    log: list.log,
  })
  if (written === undefined) throw new MatrixError('M_UNKNOWN', 'The keys are being changed; try again.', {}, 503)
}

/** What an earlier master key signed, and who signed it, is worth nothing any more. */
function forgetOldMaster(
  userId: string,
  keys: CrossSigningPlan['keys'],
  seen: readonly CrossSigningRow[],
): readonly Sql[] {
  const old = seen.find((row) => row.usage === 'master')
  const master = keys.get('master')
  if (old === undefined || master === undefined) return []
  const { publicKey } = read(parseJson(old.key) as JsonObject, userId, 'master')
  if (publicKey === master.publicKey) return []
  return [deleteSignaturesOf(userId, publicKey), deleteCrossSigningKeys(userId, ['self_signing', 'user_signing'])]
}

function read(json: JsonObject, userId: string, usage: KeyUsage): CrossSigningKey {
  const key = readCrossSigningKey(json, userId, usage)
  if (typeof key === 'string') throw new MatrixError('M_INVALID_PARAM', key)
  return key
}
