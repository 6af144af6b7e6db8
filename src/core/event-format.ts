import { ID_BYTES_MAX, isEventId, isHistoricalUserId, serverNameOf } from './ids.ts'
import {
  isDeeperThan,
  isObject,
  isRawNumber,
  JSON_DEPTH_MAX,
  type JsonObject,
  type JsonValue,
  own,
  strictFault,
} from './json.ts'
import type { RoomVersion } from './room-version.ts'

/** Bytes of a PDU as canonical JSON, signatures included (Client-Server API, "Size limits"). */
export const PDU_BYTES_MAX = 65_536
export const PREV_EVENTS_MAX = 20
export const AUTH_EVENTS_MAX = 10

/** What databases cannot keep as text, and what separates type from state key in our maps. */
const UNSTORABLE = /[\0\p{Surrogate}]/u
const INTEGER = /^-?[0-9]+$/
const TEXT_KEYS = ['sender', 'room_id', 'event_id', 'type', 'state_key']

/**
 * What is wrong with the format of a PDU (the room version's page, "Event format"), or undefined. Sizes of keys too.
 */
export function eventFault(version: RoomVersion, pdu: JsonObject): string | undefined {
  return (
    jsonFault(version, pdu) ??
    textFault(version, pdu) ??
    idFault(version, pdu) ??
    fieldFault(pdu) ??
    integerFault(pdu, 'origin_server_ts', -(2n ** 63n), 2n ** 63n - 1n) ??
    integerFault(pdu, 'depth', 0n, version.depthMax) ??
    referencesFault(version, pdu, 'prev_events', PREV_EVENTS_MAX) ??
    referencesFault(version, pdu, 'auth_events', AUTH_EVENTS_MAX)
  )
}

/** Which key of the PDU is longer than 255 bytes, as a sentence, or undefined. */
export function bytesOverLimit(pdu: JsonObject): string | undefined {
  for (const key of TEXT_KEYS) {
    const value = own(pdu, key)
    if (typeof value !== 'string' || value.length * 3 <= ID_BYTES_MAX) continue
    if (Buffer.byteLength(value) > ID_BYTES_MAX) return `${key} has more than ${ID_BYTES_MAX} bytes`
  }
  return undefined
}

function jsonFault(version: RoomVersion, pdu: JsonObject): string | undefined {
  if (version.strictJson) return strictFault(pdu)
  return isDeeperThan(pdu, JSON_DEPTH_MAX) ? `JSON is nested deeper than ${JSON_DEPTH_MAX} levels` : undefined
}

function textFault(version: RoomVersion, pdu: JsonObject): string | undefined {
  for (const key of TEXT_KEYS) {
    const value = own(pdu, key)
    if (typeof value === 'string' && UNSTORABLE.test(value)) return `${key} holds NUL or half of a surrogate pair`
  }
  if (version.strictByteLimits) return bytesOverLimit(pdu)
  for (const key of TEXT_KEYS) {
    const value = own(pdu, key)
    if (typeof value !== 'string' || value.length <= ID_BYTES_MAX) continue
    if ([...value].length > ID_BYTES_MAX) return `${key} has more than ${ID_BYTES_MAX} characters`
  }
  return undefined
}

function idFault(version: RoomVersion, pdu: JsonObject): string | undefined {
  const eventId = own(pdu, 'event_id')
  if (version.eventIdFormat === 'server') {
    if (typeof eventId !== 'string' || !eventId.startsWith('$') || serverNameOf(eventId) === '') {
      return 'event_id is not "$", a name, ":" and a server'
    }
  } else if (eventId !== undefined) {
    return `event_id does not belong into an event of room version ${version.id}`
  }
  const roomId = own(pdu, 'room_id')
  if (version.roomIdIsCreateHash && own(pdu, 'type') === 'm.room.create') {
    return roomId === undefined ? undefined : 'room_id does not belong into the create event of this room version'
  }
  // Whether the room exists is for authorisation to say; rooms of old versions have ids that no grammar allows today.
  if (typeof roomId !== 'string' || !roomId.startsWith('!')) return 'room_id is not a room id'
  return undefined
}

function fieldFault(pdu: JsonObject): string | undefined {
  if (typeof own(pdu, 'type') !== 'string') return 'type is not a string'
  const sender = own(pdu, 'sender')
  if (typeof sender !== 'string' || !isSender(sender)) return 'sender is not a user id'
  const stateKey = own(pdu, 'state_key')
  if (stateKey !== undefined && typeof stateKey !== 'string') return 'state_key is not a string'
  for (const key of ['content', 'hashes', 'signatures']) {
    if (!isObject(own(pdu, key))) return `${key} is not an object`
  }
  const unsigned = own(pdu, 'unsigned')
  return unsigned === undefined || isObject(unsigned) ? undefined : 'unsigned is not an object'
}

/** Room versions 1 to 10 let a sender of more than 255 bytes pass the format: the event is rejected later. */
function isSender(sender: string): boolean {
  return isHistoricalUserId(sender) || (Buffer.byteLength(sender) > ID_BYTES_MAX && /^@[^:]*:./.test(sender))
}

function integerFault(pdu: JsonObject, key: string, min: bigint, max: bigint): string | undefined {
  const value = own(pdu, key)
  if (typeof value === 'number' && Number.isSafeInteger(value)) {
    return value >= min && value <= max ? undefined : `${key} is out of range`
  }
  if (typeof value === 'number' && !Number.isInteger(value)) return `${key} is not an integer`
  const text = isRawNumber(value) ? value.raw : typeof value === 'number' ? BigInt(value).toString() : ''
  if (text.length > 20 || !INTEGER.test(text)) return `${key} is not an integer`
  const integer = BigInt(text)
  return integer >= min && integer <= max ? undefined : `${key} is out of range`
}

function referencesFault(version: RoomVersion, pdu: JsonObject, key: string, max: number): string | undefined {
  const references = own(pdu, key)
  if (!Array.isArray(references)) return `${key} is not an array`
  if (references.length > max) return `${key} has ${references.length} entries; ${max} are allowed`
  const isReference = version.referencesAsPairs ? isPair : isId
  return (references as readonly JsonValue[]).every(isReference) ? undefined : `${key} has an entry that is no event`
}

function isId(reference: JsonValue): boolean {
  return typeof reference === 'string' && isEventId(reference)
}

function isPair(reference: JsonValue): boolean {
  if (!Array.isArray(reference) || reference.length !== 2) return false
  const [id, hashes] = reference as readonly JsonValue[]
  return typeof id === 'string' && isEventId(id) && isObject(hashes)
}
