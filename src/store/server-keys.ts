import type { ServerKey } from '../core/server-keys.ts'
import type { Database } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

interface KeyRow {
  server: string
  key_id: string
  public_key: string
  valid_until_ts: number | null
  expired_ts: number | null
  fetched_ts: number
}

/** What is known of a server's keys, old ones too. */
export async function keysOfServer(db: Database, server: string): Promise<ServerKey[]> {
  const rows = await db.read<KeyRow>(sql`SELECT server, key_id, public_key, valid_until_ts, expired_ts, fetched_ts
    FROM server_keys WHERE server = ${server}`)
  return rows.map((row) => ({
    server: row.server,
    keyId: row.key_id,
    publicKey: row.public_key,
    validUntilTs: row.valid_until_ts,
    expiredTs: row.expired_ts,
    fetchedTs: row.fetched_ts,
  }))
}

/** The answers, as JSON texts, in which a server's keys came last, the newest first: a notary hands them on. */
export function keyAnswersOf(db: Database, server: string, limit: number): Promise<{ response: string }[]> {
  return db.read(sql`SELECT response, MAX(fetched_ts) AS fetched_ts FROM server_keys
    WHERE server = ${server} AND response IS NOT NULL GROUP BY response ORDER BY 2 DESC LIMIT ${limit}`)
}

/**
 * Keeps a key; what the server said last counts. `response`: the answer, where it names the key as a current one. One
 * that did stays with the key when it is no longer used.
 */
export function keepServerKey(key: ServerKey, response: string | null): Sql {
  return sql`INSERT INTO server_keys (server, key_id, public_key, valid_until_ts, expired_ts, response, fetched_ts)
    VALUES (${key.server}, ${key.keyId}, ${key.publicKey}, ${key.validUntilTs}, ${key.expiredTs}, ${response},
      ${key.fetchedTs})
    ON CONFLICT (server, key_id) DO UPDATE SET valid_until_ts = excluded.valid_until_ts,
      expired_ts = excluded.expired_ts, response = COALESCE(excluded.response, server_keys.response),
      fetched_ts = excluded.fetched_ts,
      public_key = excluded.public_key`
}

/** Of a server's keys the newest stay. */
export function forgetOldestKeys(server: string, kept: number): Sql {
  return sql`DELETE FROM server_keys WHERE server = ${server} AND key_id NOT IN (
    SELECT key_id FROM server_keys WHERE server = ${server} ORDER BY fetched_ts DESC, key_id LIMIT ${kept})`
}
