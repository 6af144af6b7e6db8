import { createHash, hash } from 'node:crypto'
import type { EventId } from './ids.ts'
import { canonicalJson, isObject, type JsonObject, type JsonValue, own } from './json.ts'
import { redactPdu } from './redact.ts'
import type { RoomVersion } from './room-version.ts'

/** Unpadded base64 of the content hash (Server-Server API, "Calculating the content hash for an event"). */
export function contentHash(pdu: JsonObject): string {
  return unpadded(sha256(canonicalJson(without(pdu, ['unsigned', 'signatures', 'hashes']))))
}

/** Whether the content is the one that was hashed. If not, only what redaction keeps may be used of the event. */
export function contentHashHolds(pdu: JsonObject): boolean {
  const hashes = own(pdu, 'hashes')
  const claimed = isObject(hashes) ? own(hashes, 'sha256') : undefined
  return typeof claimed === 'string' && claimed.replace(/=+$/, '') === contentHash(pdu)
}

/** The 32 bytes of the reference hash (Server-Server API, "Calculating the reference hash for an event"). */
export function referenceHash(version: RoomVersion, pdu: JsonObject): Uint8Array {
  return sha256(signedText(version, pdu))
}

/** The event's id: in room versions 1 and 2 as its server chose it ('' if it did not), later from the hash. */
export function eventIdOf(version: RoomVersion, pdu: JsonObject): EventId {
  if (version.eventIdFormat === 'server') {
    const eventId = own(pdu, 'event_id')
    return (typeof eventId === 'string' ? eventId : '') as EventId
  }
  return eventIdFromText(version, signedText(version, pdu))
}

/** The text that signatures and the reference hash of an event cover. */
export function signedText(version: RoomVersion, pdu: JsonObject): string {
  return canonicalJson(without(redactPdu(version, pdu), ['signatures', 'unsigned']))
}

/** The id of an event of room version 3 or later, from its `signedText`. */
export function eventIdFromText(version: RoomVersion, text: string): EventId {
  const digest = sha256(text)
  return `$${version.eventIdFormat === 'base64' ? unpadded(digest) : digest.toString('base64url')}` as EventId
}

/** A shallow copy without some keys, the others in canonical order so that they need not be sorted again. */
export function without(object: JsonObject, keys: readonly string[]): JsonObject {
  const kept: [string, JsonValue][] = []
  for (const key of Object.keys(object).sort()) {
    if (!keys.includes(key)) kept.push([key, object[key] as JsonValue])
  }
  return Object.fromEntries(kept)
}

function sha256(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

/** Standard base64 without padding (Appendices, "Unpadded Base64"). */
export function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64').replace(/=+$/, '')
}

/** SHA-1 as hex, by which state resolution v1 breaks ties. Nothing else may rest on it. */
export function sha1Hex(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
