import type { KeyUsage } from '../core/cross-signing.ts'
import { withSignatures, withSignaturesOf } from '../core/device-keys.ts'
import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import { crossSigningKeysOf, type SignatureRow, signaturesOf } from './cross-signing.ts'
import { type DeviceKeysRow, deviceKeysOf } from './device-keys.ts'

/** Keys of a user, as one who asks may see them. */
export interface UserKeys {
  readonly devices: Map<string, JsonObject>
  readonly crossSigning: Map<KeyUsage, JsonObject>
}

export interface KeyViewer {
  /** Who asks: they see the signatures that they made. undefined: another server. */
  readonly userId: string | undefined
  /** Names of devices are told within this server alone. */
  readonly names: boolean
}

/** Another server sees what the users themselves signed, and no names. */
export const FOR_SERVERS: KeyViewer = { userId: undefined, names: false }

/**
 * What the database has of the keys of these users, whichever server they are of: device and cross-signing keys, with
 * the signatures that their users made of them and those of the viewer. User-signing keys are shown to their user.
 */
export async function knownKeys(
  db: Database,
  userIds: readonly string[],
  viewer: KeyViewer,
): Promise<Map<string, UserKeys>> {
  const found = new Map<string, UserKeys>()
  for (const userId of userIds) found.set(userId, { devices: new Map(), crossSigning: new Map() })
  if (userIds.length === 0) return found
  const signatures = signaturesByTarget(await signaturesOf(db, userIds, viewer.userId))
  for (const row of await deviceKeysOf(db, userIds)) {
    const added = signatures.get(targetOf(row.user_id, row.device_id)) ?? []
    found.get(row.user_id)?.devices.set(row.device_id, deviceKeys(row, added, viewer))
  }
  for (const { user_id: userId, usage, key } of await crossSigningKeysOf(db, userIds)) {
    if (usage === 'user_signing' && userId !== viewer.userId) continue
    const keys = parseJson(key) as JsonObject
    const seen = new Set([userId, viewer.userId ?? userId])
    const added = signatures.get(targetOf(userId, publicKeyOf(keys) ?? '')) ?? []
    found.get(userId)?.crossSigning.set(usage, withSignatures(withSignaturesOf(keys, seen), added))
  }
  return found
}

/** The public key of a cross-signing key: it has one. */
export function publicKeyOf(key: JsonObject): string | undefined {
  const keys = own(key, 'keys')
  const [first] = isObject(keys) ? Object.values(keys) : []
  return typeof first === 'string' ? first : undefined
}

function deviceKeys(row: DeviceKeysRow, added: readonly Added[], viewer: KeyViewer): JsonObject {
  const keys = parseJson(row.keys) as JsonObject
  const name = row.display_name !== null && viewer.names ? { device_display_name: row.display_name } : {}
  // What another server says of its device is kept with the keys.
  const unsigned = own(keys, 'unsigned')
  return { ...withSignatures(keys, added), unsigned: { ...(isObject(unsigned) ? unsigned : {}), ...name } }
}

interface Added {
  readonly user: string
  readonly keyId: string
  readonly signature: string
}

function signaturesByTarget(rows: readonly SignatureRow[]): Map<string, Added[]> {
  const byTarget = new Map<string, Added[]>()
  for (const row of rows) {
    const added = { user: row.signer_user, keyId: row.signer_key, signature: row.signature }
    const target = targetOf(row.target_user, row.target_key)
    const others = byTarget.get(target)
    if (others === undefined) byTarget.set(target, [added])
    else others.push(added)
  }
  return byTarget
}

function targetOf(userId: string, key: string): string {
  return `${userId} ${key}`
}
