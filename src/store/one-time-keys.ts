import type { OneTimeKey } from '../core/device-keys.ts'
import type { Database, Guard } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'
import type { DeviceName } from './device-keys.ts'

/** The log row by which a device hears that it has more one-time keys here, or fewer. */
export const ONE_TIME_KEYS = 'one_time_keys'

export interface StoredOneTimeKey {
  readonly algorithm: string
  readonly key_id: string
  readonly key: string
}

export interface KeyCounts {
  /** One-time keys that nobody has claimed yet, by algorithm. */
  readonly oneTime: ReadonlyMap<string, number>
  /** Algorithms of the fallback keys that nobody was given yet. */
  readonly unusedFallback: readonly string[]
}

export async function keyCounts(db: Database, { userId, deviceId }: DeviceName): Promise<KeyCounts> {
  const rows = await db.read<{ algorithm: string; count: number; fallback: number }>(
    sql`SELECT algorithm, COUNT(*) AS count, 0 AS fallback FROM one_time_keys
      WHERE user_id = ${userId} AND device_id = ${deviceId} AND claimed_ts IS NULL GROUP BY algorithm
      UNION ALL SELECT algorithm, 0 AS count, 1 AS fallback FROM fallback_keys
      WHERE user_id = ${userId} AND device_id = ${deviceId} AND used = 0`,
  )
  return {
    oneTime: new Map(rows.filter((row) => row.fallback === 0).map((row) => [row.algorithm, row.count])),
    unusedFallback: rows.filter((row) => row.fallback === 1).map((row) => row.algorithm),
  }
}

function named({ userId, deviceId }: DeviceName, keyIds: readonly string[]): Sql {
  return sql`SELECT algorithm, key_id, key FROM one_time_keys WHERE user_id = ${userId} AND device_id = ${deviceId}
    AND key_id IN ${textList(keyIds)} ORDER BY algorithm, key_id`
}

/** The keys of the device with these ids, those that were claimed lately among them. */
export function oneTimeKeysNamed(
  db: Database,
  device: DeviceName,
  keyIds: readonly string[],
): Promise<StoredOneTimeKey[]> {
  return db.read(named(device, keyIds))
}

/** Holds while the keys with these ids are the ones that were seen. */
export function oneTimeKeysAreStill(
  device: DeviceName,
  keyIds: readonly string[],
  seen: readonly StoredOneTimeKey[],
): Guard {
  return {
    about: `one-time-keys:${device.userId}:${device.deviceId}`,
    query: named(device, keyIds),
    expect: seen.map((row) => ({ ...row })),
  }
}

export function insertOneTimeKey({ userId, deviceId }: DeviceName, key: OneTimeKey, uploaded: LogPosition): Sql {
  return sql`INSERT INTO one_time_keys (user_id, device_id, algorithm, key_id, key, uploaded)
    VALUES (${userId}, ${deviceId}, ${key.algorithm}, ${key.keyId}, ${key.key}, ${uploaded})`
}

/** Keys that were claimed so long ago that nobody uploads them again. */
export function forgetClaimedKeys({ userId, deviceId }: DeviceName, beforeMs: number): Sql {
  return sql`DELETE FROM one_time_keys WHERE user_id = ${userId} AND device_id = ${deviceId}
    AND claimed_ts < ${beforeMs}`
}

/** The key to give away next: of those that were uploaded first. */
export async function nextOneTimeKey(
  db: Database,
  { userId, deviceId }: DeviceName,
  algorithm: string,
): Promise<StoredOneTimeKey | undefined> {
  const rows = await db.read<StoredOneTimeKey>(sql`SELECT algorithm, key_id, key FROM one_time_keys
    WHERE user_id = ${userId} AND device_id = ${deviceId} AND algorithm = ${algorithm} AND claimed_ts IS NULL
    ORDER BY uploaded, key_id LIMIT 1`)
  return rows[0]
}

function one({ userId, deviceId }: DeviceName, { algorithm, key_id: keyId }: StoredOneTimeKey): Sql {
  return sql`user_id = ${userId} AND device_id = ${deviceId} AND algorithm = ${algorithm} AND key_id = ${keyId}`
}

/** Holds while nobody has claimed the key, and it was not deleted with its device. */
export function oneTimeKeyIsFree(device: DeviceName, key: StoredOneTimeKey): Guard {
  return {
    about: `one-time-key:${device.userId}:${device.deviceId}:${key.algorithm}:${key.key_id}`,
    query: sql`SELECT key FROM one_time_keys WHERE ${one(device, key)} AND claimed_ts IS NULL`,
    expect: [{ key: key.key }],
  }
}

export function claimOneTimeKey(device: DeviceName, key: StoredOneTimeKey, nowMs: number): Sql {
  return sql`UPDATE one_time_keys SET claimed_ts = ${nowMs} WHERE ${one(device, key)}`
}

export async function fallbackKey(
  db: Database,
  { userId, deviceId }: DeviceName,
  algorithm: string,
): Promise<(StoredOneTimeKey & { readonly used: number }) | undefined> {
  const rows = await db.read<StoredOneTimeKey & { used: number }>(sql`SELECT algorithm, key_id, key, used
    FROM fallback_keys WHERE user_id = ${userId} AND device_id = ${deviceId} AND algorithm = ${algorithm}`)
  return rows[0]
}

/** Takes the place of an earlier one. The same key again stays used if it was. */
export function storeFallbackKey({ userId, deviceId }: DeviceName, { algorithm, keyId, key }: OneTimeKey): Sql {
  return sql`INSERT INTO fallback_keys (user_id, device_id, algorithm, key_id, key, used)
    VALUES (${userId}, ${deviceId}, ${algorithm}, ${keyId}, ${key}, 0)
    ON CONFLICT (user_id, device_id, algorithm) DO UPDATE SET key_id = excluded.key_id, key = excluded.key,
      used = CASE WHEN fallback_keys.key_id = excluded.key_id AND fallback_keys.key = excluded.key
        THEN fallback_keys.used ELSE 0 END`
}

export function markFallbackKeyUsed({ userId, deviceId }: DeviceName, { algorithm, key_id }: StoredOneTimeKey): Sql {
  return sql`UPDATE fallback_keys SET used = 1 WHERE user_id = ${userId} AND device_id = ${deviceId}
    AND algorithm = ${algorithm} AND key_id = ${key_id}`
}
