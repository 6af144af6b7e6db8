import type { KeyUsage } from '../core/cross-signing.ts'
import type { Database, Guard } from '../db/database.ts'
import { type LogPosition, type Sql, sql, textList } from '../db/sql.ts'

export interface CrossSigningRow {
  readonly user_id: string
  readonly usage: KeyUsage
  /** JSON text. */
  readonly key: string
}

/** A signature that was uploaded apart from the key that it signs. */
export interface SignatureRow {
  readonly target_user: string
  /** The id of the device, or the public key of a cross-signing key. */
  readonly target_key: string
  readonly signer_user: string
  /** With its algorithm: `ed25519:…`. */
  readonly signer_key: string
  readonly signature: string
}

/** Signatures in one answer. */
const MAX_SIGNATURES = 100_000

export function crossSigningKeysOf(db: Database, userIds: readonly string[]): Promise<CrossSigningRow[]> {
  return db.read(sql`SELECT user_id, usage, key FROM cross_signing_keys
    WHERE user_id IN ${textList(userIds)} ORDER BY user_id, usage`)
}

/** Signatures that the users made of their own keys, and those that the viewer made of them. */
export function signaturesOf(
  db: Database,
  userIds: readonly string[],
  viewer: string | undefined,
): Promise<SignatureRow[]> {
  return db.read(sql`SELECT target_user, target_key, signer_user, signer_key, signature FROM key_signatures
    WHERE target_user IN ${textList(userIds)} AND (signer_user = target_user OR signer_user = ${viewer ?? ''})
    LIMIT ${MAX_SIGNATURES}`)
}

/** Holds while the user's cross-signing keys are those that were seen. */
export function crossSigningKeysAreStill(userId: string, seen: readonly CrossSigningRow[]): Guard {
  return {
    about: `cross-signing:${userId}`,
    query: sql`SELECT user_id, usage, key FROM cross_signing_keys WHERE user_id = ${userId} ORDER BY user_id, usage`,
    expect: seen.map((row) => ({ ...row })),
  }
}

export function storeCrossSigningKey(row: CrossSigningRow, position: LogPosition): Sql {
  return sql`INSERT INTO cross_signing_keys (user_id, usage, key, position)
    VALUES (${row.user_id}, ${row.usage}, ${row.key}, ${position})
    ON CONFLICT (user_id, usage) DO UPDATE SET key = excluded.key, position = excluded.position`
}

export function deleteCrossSigningKeys(userId: string, usages: readonly KeyUsage[]): Sql {
  return sql`DELETE FROM cross_signing_keys WHERE user_id = ${userId} AND usage IN ${textList(usages)}`
}

export function deleteAllCrossSigningKeys(userId: string): Sql {
  return sql`DELETE FROM cross_signing_keys WHERE user_id = ${userId}`
}

export function storeSignature(row: SignatureRow): Sql {
  return sql`INSERT INTO key_signatures (target_user, target_key, signer_user, signer_key, signature)
    VALUES (${row.target_user}, ${row.target_key}, ${row.signer_user}, ${row.signer_key}, ${row.signature})
    ON CONFLICT (target_user, target_key, signer_user, signer_key) DO UPDATE SET signature = excluded.signature`
}

/** Signatures of a key that is no more. */
export function deleteSignaturesOf(userId: string, target: string): Sql {
  return sql`DELETE FROM key_signatures WHERE target_user = ${userId} AND target_key = ${target}`
}
