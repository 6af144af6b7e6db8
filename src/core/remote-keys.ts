import { type CrossSigningKey, isSignedBy, readCrossSigningKey } from './cross-signing.ts'
import { DEVICE_KEYS_BYTES_MAX } from './device-keys.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own, strictFault } from './json.ts'

/** Devices of one user of another server that are kept. */
export const REMOTE_DEVICES_MAX = 1_000
const DEVICE_ID_LENGTH_MAX = 255
const NAME_LENGTH_MAX = 100

/** A device as another server tells of it. Without keys it is none that anybody could write to. */
export interface RemoteDevice {
  readonly deviceId: string
  readonly keys: JsonObject | undefined
}

/** A whole device list (Server-Server API, `/user/devices/{userId}`). */
export interface RemoteDeviceList {
  readonly streamId: number
  readonly devices: readonly RemoteDevice[]
  readonly crossSigning: readonly CrossSigningKey[]
}

/** Undefined for what is no device list. Single devices and keys that are not what they should be are left out. */
export function readDeviceList(answer: JsonObject, userId: string): RemoteDeviceList | undefined {
  const streamId = readStreamId(own(answer, 'stream_id'))
  const list = own(answer, 'devices')
  if (streamId === undefined || !Array.isArray(list)) return undefined
  const devices = new Map<string, RemoteDevice>()
  for (const item of (list as readonly JsonValue[]).slice(0, REMOTE_DEVICES_MAX)) {
    const device = isObject(item) ? readRemoteDevice(item, userId) : undefined
    if (device !== undefined) devices.set(device.deviceId, device)
  }
  const crossSigning = readRemoteCrossSigning(own(answer, 'master_key'), own(answer, 'self_signing_key'), userId)
  return { streamId, devices: [...devices.values()], crossSigning }
}

/** `device_id`, `keys` and `device_display_name`, as they stand in lists and in `m.device_list_update`. */
export function readRemoteDevice(item: JsonObject, userId: string): RemoteDevice | undefined {
  const deviceId = own(item, 'device_id')
  if (typeof deviceId !== 'string' || !isDeviceId(deviceId)) return undefined
  const keys = readRemoteDeviceKeys(own(item, 'keys'), userId, deviceId, own(item, 'device_display_name'))
  return { deviceId, keys }
}

/** Keys of a device of another server, with its name beside them; undefined when they are not of this device. */
export function readRemoteDeviceKeys(
  keys: JsonValue | undefined,
  userId: string,
  deviceId: string,
  displayName: JsonValue | undefined,
): JsonObject | undefined {
  if (!isObject(keys) || strictFault(keys) !== undefined) return undefined
  if ((own(keys, 'user_id') ?? userId) !== userId || (own(keys, 'device_id') ?? deviceId) !== deviceId) return undefined
  const { unsigned: _, ...signed } = keys
  const name = typeof displayName === 'string' ? { device_display_name: displayName.slice(0, NAME_LENGTH_MAX) } : {}
  const read = { ...signed, unsigned: name }
  return Buffer.byteLength(canonicalJson(read)) <= DEVICE_KEYS_BYTES_MAX ? read : undefined
}

/** The master key, and the self-signing key if the master key signed it. `known`: a master key from before. */
export function readRemoteCrossSigning(
  masterKey: JsonValue | undefined,
  selfSigningKey: JsonValue | undefined,
  userId: string,
  known?: CrossSigningKey,
): CrossSigningKey[] {
  const master = readKey(masterKey, userId, 'master')
  const selfSigning = readKey(selfSigningKey, userId, 'self_signing')
  const signer = master ?? known
  const isGood = selfSigning !== undefined && signer !== undefined && isSignedBy(selfSigning.json, userId, signer)
  return [...(master === undefined ? [] : [master]), ...(isGood ? [selfSigning] : [])]
}

export function readStreamId(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}

function readKey(json: JsonValue | undefined, userId: string, usage: 'master' | 'self_signing') {
  if (!isObject(json) || strictFault(json) !== undefined) return undefined
  const key = readCrossSigningKey(json, userId, usage)
  return typeof key === 'string' ? undefined : key
}

function isDeviceId(text: string): boolean {
  return text !== '' && text.length <= DEVICE_ID_LENGTH_MAX && !text.includes('\0')
}
