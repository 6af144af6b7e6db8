import { bytesOverLimit, eventFault, PDU_BYTES_MAX } from './event-format.ts'
import { contentHash, eventIdFromText, eventIdOf, signedText } from './hash.ts'
import { type EventId, isEventId, type RoomId, type ServerName, type UserId } from './ids.ts'
import { canonicalJson, isObject, isRawNumber, type JsonObject, type JsonValue, own, strictFault } from './json.ts'
import type { SigningKey } from './keys.ts'
import { MatrixError } from './matrix-error.ts'
import type { RoomVersion } from './room-version.ts'
import { addSignature } from './sign.ts'

/** Our own events stay this flat, since other servers refuse deep ones at limits of their own. */
export const OWN_EVENT_DEPTH_MAX = 100

/** What the auth rules and state resolution read of an event. The store fills it from columns, without the envelope. */
export interface AuthEvent {
  readonly eventId: EventId
  readonly roomId: RoomId
  readonly type: string
  /** null: not a state event. */
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
  readonly originServerTs: number
  readonly depth: number
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
  /** The event that this one redacts, from wherever its room version keeps it. */
  readonly redacts?: EventId | undefined
}

/** An event of any room version, parsed and checked for format. Immutable. */
export interface Event extends AuthEvent {
  readonly version: RoomVersion
  /** The whole PDU as on the wire: unknown keys are covered by the content hash and so are kept. */
  readonly pdu: JsonObject
}

/** What an author says of a new event; `buildEvent` adds hashes, signature and id. */
export interface EventDraft {
  readonly roomId: RoomId | undefined
  readonly type: string
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
  readonly originServerTs: number
  readonly depth: number
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]
  readonly redacts?: EventId
  readonly unsigned?: JsonObject
  /** Room versions 1 and 2 name the reference hashes (unpadded base64) of events beside their ids. */
  readonly referenceHashes?: ReadonlyMap<EventId, string>
}

export type { EventId, RoomId, ServerName, UserId }

/**
 * A new event of this server: with hashes, signature and id (Server-Server API, "Signing Events"). Throws MatrixError
 * M_TOO_LARGE for an event over the size limits, M_BAD_JSON for content that no event may have.
 */
export function buildEvent(version: RoomVersion, draft: EventDraft, serverName: ServerName, key: SigningKey): Event {
  const unhashed = unhashedPdu(version, draft, serverName)
  // Even where a room version lets anything pass, we do not write what the others refuse.
  const fault = strictFault(unhashed, OWN_EVENT_DEPTH_MAX)
  if (fault !== undefined) throw new MatrixError('M_BAD_JSON', fault)
  const hashed = { ...unhashed, hashes: { sha256: contentHash(unhashed) } }
  const text = signedText(version, hashed)
  const pdu = addSignature(hashed, serverName, key.keyId, key.sign(text))
  const over = bytesOverLimit(pdu)
  if (over !== undefined) throw new MatrixError('M_TOO_LARGE', over)
  const formatFault = eventFault(version, pdu)
  if (formatFault !== undefined) throw new MatrixError('M_BAD_JSON', formatFault)
  checkBytes(pdu)
  const eventId = version.eventIdFormat === 'server' ? eventIdOf(version, pdu) : eventIdFromText(version, text)
  return eventOf(version, pdu, eventId)
}

/** What the server that sends an event may add to it unsigned; anything else would be taken for our own word. */
const UNSIGNED_OF_OTHERS: ReadonlySet<string> = new Set(['age', 'invite_room_state', 'knock_room_state'])

/**
 * The event in a PDU of another server, without what that may not say in `unsigned`. Checks format and sizes of the
 * room version (Room versions, "Event format"), neither hashes nor signatures nor authorisation. Throws MatrixError
 * M_BAD_JSON, or M_TOO_LARGE over 65,536 bytes.
 */
export function parseEvent(version: RoomVersion, received: JsonObject): Event {
  const fault = eventFault(version, received)
  if (fault !== undefined) throw new MatrixError('M_BAD_JSON', fault)
  const pdu = withoutForeignUnsigned(received)
  checkBytes(pdu)
  return eventOf(version, pdu, eventIdOf(version, pdu))
}

/**
 * Whether a field of the event is within 255 code points but over 255 bytes. In room versions 1 to 10 such an event
 * of another server is kept and rejected, as Synapse does; in later ones `parseEvent` refuses it.
 */
export function exceedsByteLimits(event: Event): boolean {
  return bytesOverLimit(event.pdu) !== undefined
}

/** The integer as JavaScript and databases can count it: what lies beyond is the last one that they can. */
export function integerOf(value: JsonValue | undefined): number {
  // Old rooms may write negative zero.
  const number = Number(isRawNumber(value) ? value.raw : value) + 0
  return Math.min(Math.max(number, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER)
}

/** The PDU is one that passed `eventFault`, so that it is not too deep for the native writer. */
function checkBytes(pdu: JsonObject): void {
  // A unit of UTF-16 takes up to three bytes, and canonical numbers are hardly longer than others: most events are
  // so small that they need not be sorted and counted.
  if (JSON.stringify(pdu).length * 4 <= PDU_BYTES_MAX) return
  const bytes = Buffer.byteLength(canonicalJson(pdu))
  if (bytes > PDU_BYTES_MAX) throw new MatrixError('M_TOO_LARGE', `The event has ${bytes} bytes; ${PDU_BYTES_MAX} fit`)
}

function withoutForeignUnsigned(pdu: JsonObject): JsonObject {
  const unsigned = own(pdu, 'unsigned')
  if (!isObject(unsigned)) return pdu
  const kept = Object.entries(unsigned).filter(([key]) => UNSIGNED_OF_OTHERS.has(key))
  const { unsigned: _, ...rest } = pdu
  return kept.length === 0 ? rest : { ...rest, unsigned: Object.fromEntries(kept) }
}

/** The PDU in canonical order of its keys, so that it is not sorted again for each hash. */
function unhashedPdu(version: RoomVersion, draft: EventDraft, serverName: ServerName): JsonObject {
  const { redacts } = draft
  const content = redacts !== undefined && version.redactsInContent ? { ...draft.content, redacts } : draft.content
  const pdu: Record<string, JsonValue> = {
    auth_events: references(version, draft, draft.authEvents),
    content,
    depth: Math.min(draft.depth, Number.MAX_SAFE_INTEGER),
    hashes: {},
    origin_server_ts: draft.originServerTs,
    prev_events: references(version, draft, draft.prevEvents),
  }
  if (redacts !== undefined && !version.redactsInContent) pdu.redacts = redacts
  if (draft.roomId !== undefined) pdu.room_id = draft.roomId
  pdu.sender = draft.sender
  pdu.signatures = {}
  if (draft.stateKey !== null) pdu.state_key = draft.stateKey
  pdu.type = draft.type
  if (draft.unsigned !== undefined) pdu.unsigned = draft.unsigned
  if (version.eventIdFormat !== 'server') return pdu
  // The place in the room and the content make the id unique without a source of chance.
  return { ...pdu, event_id: `$${contentHash(pdu).replace(/[+/]/g, '_')}:${serverName}` }
}

function references(version: RoomVersion, draft: EventDraft, ids: readonly EventId[]): readonly JsonValue[] {
  if (!version.referencesAsPairs) return ids
  return ids.map((id) => {
    const sha256 = draft.referenceHashes?.get(id)
    return [id, sha256 === undefined ? {} : { sha256 }]
  })
}

/** Reads a PDU that passed `eventFault`. */
function eventOf(version: RoomVersion, pdu: JsonObject, eventId: EventId): Event {
  const content = own(pdu, 'content') as JsonObject
  const type = own(pdu, 'type') as string
  const isCreateOfHashedRoom = version.roomIdIsCreateHash && type === 'm.room.create'
  const redacts = type === 'm.room.redaction' ? own(version.redactsInContent ? content : pdu, 'redacts') : undefined
  return {
    version,
    pdu,
    eventId,
    roomId: (isCreateOfHashedRoom ? `!${eventId.slice(1)}` : own(pdu, 'room_id')) as RoomId,
    type,
    stateKey: (own(pdu, 'state_key') as string | undefined) ?? null,
    sender: own(pdu, 'sender') as UserId,
    content,
    originServerTs: integerOf(own(pdu, 'origin_server_ts')),
    depth: integerOf(own(pdu, 'depth')),
    prevEvents: referredIds(own(pdu, 'prev_events')),
    authEvents: referredIds(own(pdu, 'auth_events')),
    redacts: typeof redacts === 'string' && isEventId(redacts) ? redacts : undefined,
  }
}

function referredIds(references: JsonValue | undefined): readonly EventId[] {
  return (references as readonly JsonValue[]).map((item) => (Array.isArray(item) ? item[0] : item) as EventId)
}
