import type { Database, Guard } from '../db/database.ts'
import { type Sql, sql } from '../db/sql.ts'

/**
 * Stores a client, or notes that it registered again. Of those without a session the newest `limit` are kept: anybody
 * may register, and one that is forgotten too early registers anew.
 */
export function insertClient(clientId: string, metadata: string, nowMs: number, limit: number): Sql[] {
  return [
    sql`INSERT INTO oauth_clients (client_id, metadata, asked_ts) VALUES (${clientId}, ${metadata}, ${nowMs})
      ON CONFLICT (client_id) DO UPDATE SET asked_ts = excluded.asked_ts`,
    sql`DELETE FROM oauth_clients WHERE client_id IN (
      SELECT c.client_id FROM oauth_clients c
      WHERE NOT EXISTS (SELECT 1 FROM sessions s WHERE s.client_id = c.client_id)
      ORDER BY c.asked_ts DESC LIMIT 1000 OFFSET ${limit})`,
  ]
}

/** JSON text. */
export async function clientMetadata(db: Database, clientId: string): Promise<string | undefined> {
  const rows = await db.read<{ metadata: string }>(sql`SELECT metadata FROM oauth_clients
    WHERE client_id = ${clientId}`)
  return rows[0]?.metadata
}

/** What a user agreed to. `code_hash` is the hash of what the client was given. */
export interface CodeRow {
  readonly client_id: string
  readonly user_id: string
  readonly device_id: string
  readonly scope: string
  readonly redirect_uri: string
  /** RFC 7636: the hash of what the client keeps. */
  readonly challenge: string
  /** Of the session that it gave; null: none yet. */
  readonly family: string | null
  /** When it is forgotten. */
  readonly expires_ts: number
}

export function insertCode(codeHash: Uint8Array, code: Omit<CodeRow, 'family'>): Sql {
  return sql`INSERT INTO oauth_codes (code_hash, client_id, user_id, device_id, scope, redirect_uri, challenge,
      expires_ts)
    VALUES (${codeHash}, ${code.client_id}, ${code.user_id}, ${code.device_id}, ${code.scope}, ${code.redirect_uri},
      ${code.challenge}, ${code.expires_ts})`
}

export async function codeRow(db: Database, codeHash: Uint8Array): Promise<CodeRow | undefined> {
  const rows = await db.read<CodeRow>(sql`SELECT client_id, user_id, device_id, scope, redirect_uri, challenge, family,
      expires_ts FROM oauth_codes WHERE code_hash = ${codeHash}`)
  return rows[0]
}

/** Holds while the code has given nobody anything. */
export function codeIsUnspent(codeHash: Uint8Array): Guard {
  const query = sql`SELECT family FROM oauth_codes WHERE code_hash = ${codeHash}`
  return { about: `oauth-code:${Buffer.from(codeHash).toString('hex')}`, query, expect: [{ family: null }] }
}

export function spendCode(codeHash: Uint8Array, family: string): Sql {
  return sql`UPDATE oauth_codes SET family = ${family} WHERE code_hash = ${codeHash}`
}

/** There are few codes, and none is older than minutes: they need no index. */
export function deleteCodesOf(userId: string): Sql {
  return sql`DELETE FROM oauth_codes WHERE user_id = ${userId}`
}
