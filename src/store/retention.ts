import { type Sql, sql } from '../db/sql.ts'

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

/** Forgets what has expired or is too old to matter, of each kind up to `limit` rows. */
export function forgetOld(ages: Ages, limit: number): readonly Sql[] {
  const { nowMs, clientTransactionsMs, serverTransactionsMs, redactedMs, oauthClientsMs, presenceMs } = ages
  return [
    sql`DELETE FROM transactions WHERE (user_id, device_id, endpoint, room_id, txn_id) IN (
      SELECT user_id, device_id, endpoint, room_id, txn_id FROM transactions
      WHERE created_ts < ${clientTransactionsMs} ORDER BY created_ts LIMIT ${limit})`,
    sql`DELETE FROM received_transactions WHERE (origin, txn_id) IN (
      SELECT origin, txn_id FROM received_transactions WHERE received_ts < ${serverTransactionsMs} LIMIT ${limit})`,
    sql`DELETE FROM received_messages WHERE (origin, message_id) IN (
      SELECT origin, message_id FROM received_messages WHERE received_ts < ${serverTransactionsMs} LIMIT ${limit})`,
    sql`DELETE FROM redacted_originals WHERE event IN (
      SELECT event FROM redacted_originals WHERE redacted_ts < ${redactedMs} LIMIT ${limit})`,
    sql`DELETE FROM uia_sessions WHERE session IN (
      SELECT session FROM uia_sessions WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    sql`DELETE FROM openid_tokens WHERE token_hash IN (
      SELECT token_hash FROM openid_tokens WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    sql`DELETE FROM login_tokens WHERE token_hash IN (
      SELECT token_hash FROM login_tokens WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    sql`DELETE FROM sso_sessions WHERE session IN (
      SELECT session FROM sso_sessions WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    sql`DELETE FROM oauth_codes WHERE code_hash IN (
      SELECT code_hash FROM oauth_codes WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    sql`DELETE FROM oauth_device_codes WHERE code_hash IN (
      SELECT code_hash FROM oauth_device_codes WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    sql`DELETE FROM oauth_clients WHERE client_id IN (
      SELECT c.client_id FROM oauth_clients c WHERE c.asked_ts < ${oauthClientsMs}
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = c.client_id) LIMIT ${limit})`,
    sql`DELETE FROM registration_nonces WHERE nonce IN (
      SELECT nonce FROM registration_nonces WHERE expires_ts <= ${nowMs} LIMIT ${limit})`,
    // Another server may tell of anybody, also before it is known that they are in a room.
    sql`DELETE FROM presence WHERE user_id IN (
      SELECT p.user_id FROM presence p WHERE p.last_active_ts < ${presenceMs}
        AND NOT EXISTS (SELECT 1 FROM users u WHERE u.user_id = p.user_id)
        AND NOT EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = p.user_id AND m.membership = 'join')
      LIMIT ${limit})`,
    // Whoever has missed the log itself asks for every list that changed since: the newest change of each says so.
    sql`DELETE FROM device_list_changes WHERE (position, user_id, room) IN (
      SELECT c.position, c.user_id, c.room FROM device_list_changes c
      WHERE c.position < (SELECT MIN(position) FROM log) AND EXISTS (
        SELECT 1 FROM device_list_changes n WHERE n.user_id = c.user_id AND n.position > c.position
          AND n.position < (SELECT MIN(position) FROM log) AND COALESCE(n.told, '') = COALESCE(c.told, '')
          AND (n.device_id IS NULL) = (c.device_id IS NULL)) LIMIT ${limit})`,
  ]
}
