import type { App } from '../../app.ts'
import { type CrossSigningKey, isSameKey, type KeyUsage, readCrossSigningKey } from '../../core/cross-signing.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { type Errcode, MatrixError } from '../../core/matrix-error.ts'
import { jsonSignatureHolds, signaturesOf } from '../../core/sign.ts'
import { crossSigningKeysOf, type SignatureRow, storeSignature } from '../../store/cross-signing.ts'
import { deviceKeysOf } from '../../store/device-keys.ts'
import type { DeviceListChange } from '../../store/device-lists.ts'
import { write } from '../write.ts'
import { deviceListChanges } from './device-list-changes.ts'

/** A key with signatures that its uploader made. */
export interface SignedKey {
  readonly userId: string
  /** The id of a device, or the public key of a cross-signing key. */
  readonly target: string
  readonly json: JsonObject
}

/** Why a key was passed over. */
export interface SignatureFailure {
  readonly userId: string
  readonly target: string
  readonly errcode: Errcode
  readonly error: string
}

/**
 * Stores the signatures that a user made (Client-Server API, `/keys/signatures/upload`): of the self-signing key on own
 * devices, of own devices on the own master key, of the user-signing key on master keys of others. Each has to verify,
 * and what it signs has to be the key that is known here. The rest is passed over, and answered with.
 */
export async function uploadSignatures(
  app: App,
  userId: string,
  signed: readonly SignedKey[],
): Promise<SignatureFailure[]> {
  const known = await keysBehind(app, userId, signed)
  const failures: SignatureFailure[] = []
  const rows: SignatureRow[] = []
  const changes = new Map<string, DeviceListChange>()
  for (const { userId: targetUser, target, json } of signed) {
    try {
      rows.push(...signaturesIn(known, userId, { userId: targetUser, target, json }))
      const change = changeOf(userId, targetUser, known.devices.has(deviceName(targetUser, target)) ? target : null)
      changes.set(`${targetUser} ${change.deviceId}`, change)
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error
      failures.push({ userId: targetUser, target, errcode: error.errcode, error: error.message })
    }
  }
  if (rows.length === 0) return failures
  const list = deviceListChanges([...changes.values()], 0)
  await write(app, { guards: [], writes: [...rows.map(storeSignature), ...list.writes], log: list.log })
  return failures
}

/** What one user says of another's key is nobody else's business. */
function changeOf(signer: string, userId: string, deviceId: string | null): DeviceListChange {
  return { userId, deviceId, told: userId === signer ? null : signer }
}

interface KnownKeys {
  readonly devices: ReadonlyMap<string, JsonObject>
  readonly crossSigning: ReadonlyMap<string, CrossSigningKey>
}

async function keysBehind(app: App, userId: string, signed: readonly SignedKey[]): Promise<KnownKeys> {
  const users = [...new Set([userId, ...signed.map((key) => key.userId)])]
  const crossSigning = new Map<string, CrossSigningKey>()
  for (const row of await crossSigningKeysOf(app.db, users)) {
    const key = readCrossSigningKey(parseJson(row.key) as JsonObject, row.user_id, row.usage)
    if (typeof key !== 'string') crossSigning.set(usageName(row.user_id, row.usage), key)
  }
  const devices = (await deviceKeysOf(app.db, [userId])).map(
    (row) => [deviceName(row.user_id, row.device_id), parseJson(row.keys) as JsonObject] as const,
  )
  return { crossSigning, devices: new Map(devices) }
}

function signaturesIn(known: KnownKeys, userId: string, { userId: targetUser, target, json }: SignedKey) {
  const device = known.devices.get(deviceName(targetUser, target))
  const master = known.crossSigning.get(usageName(targetUser, 'master'))
  const signee = device ?? (master?.publicKey === target ? master.json : undefined)
  if (signee === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such key.')
  if (!isSameKey(signee, json)) throw new MatrixError('M_INVALID_PARAM', 'This is not the key that is known here.')
  const signers = signersOf(known, userId, targetUser, device !== undefined)
  const rows: SignatureRow[] = []
  for (const [signerKey, signature] of signaturesOf(json, userId)) {
    const publicKey = signers.get(signerKey)
    if (publicKey === undefined) continue
    if (!jsonSignatureHolds(json, userId, signerKey, publicKey))
      throw new MatrixError('M_INVALID_SIGNATURE', `The signature by ${signerKey} does not verify.`)
    rows.push({ target_user: targetUser, target_key: target, signer_user: userId, signer_key: signerKey, signature })
  }
  if (rows.length === 0)
    throw new MatrixError('M_INVALID_SIGNATURE', 'There is no signature by a key that may sign it.')
  return rows
}

/** Public keys by key id: those whose signatures count on this kind of key. */
function signersOf(known: KnownKeys, userId: string, targetUser: string, isDevice: boolean): Map<string, string> {
  if (targetUser === userId && !isDevice) return deviceSigners(known)
  const usage = targetUser === userId ? 'self_signing' : 'user_signing'
  const key = known.crossSigning.get(usageName(userId, usage))
  return new Map(key === undefined ? [] : [[key.keyId, key.publicKey]])
}

function deviceSigners({ devices }: KnownKeys): Map<string, string> {
  const signers = new Map<string, string>()
  for (const device of devices.values()) {
    const keys = own(device, 'keys')
    for (const [keyId, key] of isObject(keys) ? Object.entries(keys) : [])
      if (keyId.startsWith('ed25519:') && typeof key === 'string') signers.set(keyId, key)
  }
  return signers
}

function deviceName(userId: string, deviceId: string): string {
  return `${userId} ${deviceId}`
}

function usageName(userId: string, usage: KeyUsage): string {
  return `${userId} ${usage}`
}
