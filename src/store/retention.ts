import type { Database } from '../db/database.ts'
import { type PerDialect, perDialect, type Sql, sql } from '../db/sql.ts'

/** When rows of each kind are too old to matter: milliseconds since 1970. */
export interface Ages {
  readonly nowMs: number
  /** Transactions of clients: sent again later, they are new ones. */
  readonly clientTransactionsMs: number
  /** Transactions and messages of other servers. */
  readonly serverTransactionsMs: number
  /** The originals of redacted events. */
  readonly redactedMs: number
  /** Clients of OAuth 2.0 that registered and have no session. */
  readonly oauthClientsMs: number
  /** The presence of users of other servers with whom no room is shared. */
  readonly presenceMs: number
}

/** Rows of one kind that are to go. */
export interface OldRows {
  /** Whether there is one. */
  readonly any: Sql
  /** Deletes up to as many as was said. */
  readonly forget: Sql
}

/** What has expired or is too old to matter, of tables that are small, or have an index for it. */
export function oldRows(ages: Ages, limit: number): readonly OldRows[] {
  const { nowMs, clientTransactionsMs, serverTransactionsMs, redactedMs, oauthClientsMs } = ages
  const kind = (name: string, columns: string, old: Sql): OldRows => {
    const [table, key] = [raw(name), raw(columns)]
    return {
      any: sql`SELECT 1 AS one FROM ${table} WHERE ${old} LIMIT 1`,
      forget: sql`DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${old} LIMIT ${limit})`,
    }
  }
  const expired = sql`expires_ts <= ${nowMs}`
  return [
    kind('transactions', 'user_id, device_id, endpoint, room_id, txn_id', sql`created_ts < ${clientTransactionsMs}`),
    kind('received_transactions', 'origin, txn_id', sql`received_ts < ${serverTransactionsMs}`),
    kind('received_messages', 'origin, message_id', sql`received_ts < ${serverTransactionsMs}`),
    kind('redacted_originals', 'event', sql`redacted_ts < ${redactedMs}`),
    kind('uia_sessions', 'session', expired),
    kind('openid_tokens', 'token_hash', expired),
    kind('login_tokens', 'token_hash', expired),
    kind('sso_sessions', 'session', expired),
    kind('oauth_codes', 'code_hash', expired),
    kind('oauth_device_codes', 'code_hash', expired),
    kind(
      'oauth_clients',
      'client_id',
      sql`asked_ts < ${oauthClientsMs}
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = oauth_clients.client_id)`,
    ),
    kind('registration_nonces', 'nonce', expired),
  ]
}

/** A table that is gone through from its first row to its last, some at a time. */
export interface Walk {
  readonly table: string
  readonly key: string
  /** Before the first key. */
  readonly start: string | number
  readonly old: Sql
}

/** What is too old to matter, of tables in which no index leads to it. */
export function oldRowsAmong({ presenceMs }: Ages): readonly Walk[] {
  return [
    // Another server may tell of anybody, also before it is known that they are in a room.
    {
      table: 'presence',
      key: 'user_id',
      start: '',
      old: sql`last_active_ts < ${presenceMs}
        AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = presence.user_id)
        AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = presence.user_id AND m.membership = 'join')`,
    },
    // Whoever has missed the log itself asks for every list that changed since: the newest change of each says so.
    {
      table: 'device_list_changes',
      key: 'position',
      start: -1,
      old: sql`position < (SELECT MIN(position) FROM log) AND EXISTS (
        SELECT 1 FROM device_list_changes n WHERE n.user_id = device_list_changes.user_id
          AND n.position > device_list_changes.position AND n.position < (SELECT MIN(position) FROM log)
          AND COALESCE(n.told, '') = COALESCE(device_list_changes.told, '')
          AND (n.device_id IS NULL) = (device_list_changes.device_id IS NULL))`,
    },
  ]
}

/** The last key of the next rows; null behind the last one. */
export async function endOfSlice(
  db: Database,
  walk: Walk,
  after: string | number,
  rows: number,
): Promise<string | number | null> {
  const [table, key] = [raw(walk.table), raw(walk.key)]
  const [slice] = await db.read<{ last: string | number | null }>(sql`SELECT MAX(s.k) AS last FROM (
    SELECT ${key} AS k FROM ${table} WHERE ${key} > ${after} ORDER BY ${key} LIMIT ${rows}) AS s`)
  return slice?.last ?? null
}

export function oldRowsOfSlice({ table, key, old }: Walk, after: string | number, last: string | number): OldRows {
  const slice = sql`${raw(key)} > ${after} AND ${raw(key)} <= ${last} AND ${old}`
  return {
    any: sql`SELECT 1 AS one FROM ${raw(table)} WHERE ${slice} LIMIT 1`,
    forget: sql`DELETE FROM ${raw(table)} WHERE ${slice}`,
  }
}

export async function hasAny(db: Database, { any }: OldRows): Promise<boolean> {
  return (await db.read(any)).length > 0
}

/** A name of our own, as it stands. */
function raw(name: string): PerDialect {
  return perDialect({ sqlite: name, postgres: name })
}
