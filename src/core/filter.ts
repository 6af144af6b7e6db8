import { globMatches } from './glob.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from './json.ts'
import { MatrixError } from './matrix-error.ts'

/** Largest text of a filter, in bytes of UTF-8. */
export const FILTER_MAX_BYTES = 65_536
export const FILTER_MAX_ENTRIES = 1_000
/** A higher `limit` is lowered to this. */
export const FILTER_MAX_LIMIT = 1_000
/** Event types, user ids and room ids are never longer. */
const MAX_ENTRY_BYTES = 255

/** `EventFilter` and `RoomEventFilter` of the Client-Server API ("Filtering"); undefined includes everything. */
export interface EventFilter {
  /** From 0, which asks for nothing, to FILTER_MAX_LIMIT. */
  readonly limit: number | undefined
  readonly types: readonly string[] | undefined
  readonly notTypes: readonly string[]
  readonly senders: ReadonlySet<string> | undefined
  readonly notSenders: ReadonlySet<string>
  readonly rooms: ReadonlySet<string> | undefined
  readonly notRooms: ReadonlySet<string>
  readonly containsUrl: boolean | undefined
  readonly lazyLoadMembers: boolean
  readonly includeRedundantMembers: boolean
  readonly unreadThreadNotifications: boolean
  /** Only events that have a child by one of these users. */
  readonly relatedBySenders: ReadonlySet<string> | undefined
  /** Only events that have a child with one of these relation types. */
  readonly relatedByRelTypes: ReadonlySet<string> | undefined
}

export interface RoomFilter {
  readonly rooms: ReadonlySet<string> | undefined
  readonly notRooms: ReadonlySet<string>
  readonly includeLeave: boolean
  readonly ephemeral: EventFilter
  readonly state: EventFilter
  readonly timeline: EventFilter
  readonly accountData: EventFilter
}

export interface Filter {
  /** Paths of the keys wanted. A server may send more, so this is a hint. */
  readonly eventFields: readonly string[] | undefined
  readonly eventFormat: 'client' | 'federation'
  readonly presence: EventFilter
  readonly accountData: EventFilter
  readonly room: RoomFilter
}

/** What a filter reads of an event. What an event does not have (a receipt has no sender) is not filtered by. */
export interface FilterableEvent {
  readonly type: string
  readonly sender?: string | undefined
  readonly roomId?: string | undefined
  /** Parsed, or its JSON text, which is parsed only if the filter asks and the text can hold the key. */
  readonly content?: JsonObject | string | undefined
  /** The children known of the event, needed for `related_by_*` only. */
  readonly relatedBy?: readonly { readonly relType: string; readonly sender: string }[] | undefined
}

/** Checks a filter. Throws M_BAD_JSON for a wrong shape, M_INVALID_PARAM for an impossible value. Unknown keys pass. */
export function parseFilter(value: JsonValue): Filter {
  const filter = objectAt(value, 'filter')
  const format = own(filter, 'event_format') ?? 'client'
  if (format !== 'client' && format !== 'federation') {
    throw new MatrixError('M_BAD_JSON', 'event_format must be "client" or "federation"')
  }
  return {
    eventFields: stringsAt(filter, 'event_fields'),
    eventFormat: format,
    presence: parseEventFilter(own(filter, 'presence'), 'presence'),
    accountData: parseEventFilter(own(filter, 'account_data'), 'account_data'),
    room: parseRoomFilter(own(filter, 'room')),
  }
}

/** The same from text, as in the query of `/sync`. Throws M_NOT_JSON too. */
export function parseFilterText(text: string): Filter {
  return parseFilter(parseFilterJson(text))
}

/** The `filter` of `/messages`, `/context` and `/search`; `where` names it in errors. */
export function parseEventFilter(value: JsonValue | undefined, where = 'filter'): EventFilter {
  const filter = value === undefined ? {} : objectAt(value, where)
  return {
    limit: limitAt(filter, where),
    types: stringsAt(filter, 'types'),
    notTypes: stringsAt(filter, 'not_types') ?? [],
    senders: idsAt(filter, 'senders', '@'),
    notSenders: idsAt(filter, 'not_senders', '@') ?? NONE,
    rooms: idsAt(filter, 'rooms', '!'),
    notRooms: idsAt(filter, 'not_rooms', '!') ?? NONE,
    containsUrl: booleanAt(filter, 'contains_url'),
    lazyLoadMembers: booleanAt(filter, 'lazy_load_members') ?? false,
    includeRedundantMembers: booleanAt(filter, 'include_redundant_members') ?? false,
    unreadThreadNotifications: booleanAt(filter, 'unread_thread_notifications') ?? false,
    relatedBySenders: idsAt(filter, 'related_by_senders', '@'),
    relatedByRelTypes: setOf(stringsAt(filter, 'related_by_rel_types')),
  }
}

export function parseEventFilterText(text: string): EventFilter {
  return parseEventFilter(parseFilterJson(text))
}

/** Whether the event passes. Exclusions win over inclusions. */
export function eventFilterMatches(filter: EventFilter, event: FilterableEvent): boolean {
  if (!typePasses(filter, event.type)) return false
  if (event.sender !== undefined && !idPasses(event.sender, filter.senders, filter.notSenders)) return false
  if (event.roomId !== undefined && !idPasses(event.roomId, filter.rooms, filter.notRooms)) return false
  if (filter.containsUrl !== undefined && filter.containsUrl !== containsUrl(event.content)) return false
  return relationsPass(filter, event.relatedBy ?? [])
}

/** Whether anything of the room is wanted: asked before the filters of its parts. */
export function roomFilterMatches(filter: RoomFilter, roomId: string): boolean {
  return idPasses(roomId, filter.rooms, filter.notRooms)
}

/** Whether no event can pass, so that nothing need be read. */
export function filterExcludesAll(filter: EventFilter): boolean {
  const wanted = [filter.types?.length, filter.senders?.size, filter.rooms?.size]
  return wanted.includes(0) || filter.notTypes.includes('*')
}

const NONE: ReadonlySet<string> = new Set()

function parseFilterJson(text: string): JsonValue {
  if (Buffer.byteLength(text) > FILTER_MAX_BYTES) {
    throw new MatrixError('M_INVALID_PARAM', `A filter may have ${FILTER_MAX_BYTES} bytes`)
  }
  return parseJson(text)
}

function parseRoomFilter(value: JsonValue | undefined): RoomFilter {
  const filter = value === undefined ? {} : objectAt(value, 'room')
  return {
    rooms: idsAt(filter, 'rooms', '!'),
    notRooms: idsAt(filter, 'not_rooms', '!') ?? NONE,
    includeLeave: booleanAt(filter, 'include_leave') ?? false,
    ephemeral: parseEventFilter(own(filter, 'ephemeral'), 'room.ephemeral'),
    state: parseEventFilter(own(filter, 'state'), 'room.state'),
    timeline: parseEventFilter(own(filter, 'timeline'), 'room.timeline'),
    accountData: parseEventFilter(own(filter, 'account_data'), 'room.account_data'),
  }
}

function objectAt(value: JsonValue, where: string): JsonObject {
  if (!isObject(value)) throw new MatrixError('M_BAD_JSON', `${where} must be an object`)
  return value
}

function limitAt(filter: JsonObject, where: string): number | undefined {
  const limit = own(filter, 'limit')
  if (limit === undefined) return undefined
  if (typeof limit !== 'number' || !Number.isInteger(limit)) {
    throw new MatrixError('M_BAD_JSON', `limit in ${where} must be an integer`)
  }
  if (limit < 0) throw new MatrixError('M_INVALID_PARAM', `limit in ${where} must not be negative`)
  return Math.min(limit, FILTER_MAX_LIMIT)
}

function booleanAt(filter: JsonObject, key: string): boolean | undefined {
  const value = own(filter, key)
  if (value !== undefined && typeof value !== 'boolean') {
    throw new MatrixError('M_BAD_JSON', `${key} must be true or false`)
  }
  return value
}

function stringsAt(filter: JsonObject, key: string): readonly string[] | undefined {
  const value = own(filter, key)
  if (value === undefined) return undefined
  if (!Array.isArray(value)) throw new MatrixError('M_BAD_JSON', `${key} must be an array of strings`)
  const entries = value as readonly JsonValue[]
  if (entries.length > FILTER_MAX_ENTRIES) {
    throw new MatrixError('M_INVALID_PARAM', `${key} may have ${FILTER_MAX_ENTRIES} entries`)
  }
  return entries.map((entry) => {
    if (typeof entry !== 'string') throw new MatrixError('M_BAD_JSON', `${key} must be an array of strings`)
    if (Buffer.byteLength(entry) > MAX_ENTRY_BYTES) {
      throw new MatrixError('M_INVALID_PARAM', `An entry of ${key} is longer than ${MAX_ENTRY_BYTES} bytes`)
    }
    return entry
  })
}

function idsAt(filter: JsonObject, key: string, sigil: '@' | '!'): ReadonlySet<string> | undefined {
  const ids = stringsAt(filter, key)
  const fault = ids?.find((id) => !id.startsWith(sigil))
  if (fault !== undefined) throw new MatrixError('M_INVALID_PARAM', `Entries of ${key} must start with "${sigil}"`)
  return setOf(ids)
}

function setOf(values: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return values === undefined ? undefined : new Set(values)
}

function typePasses(filter: EventFilter, type: string): boolean {
  if (filter.notTypes.some((pattern) => typeMatches(pattern, type))) return false
  return filter.types === undefined || filter.types.some((pattern) => typeMatches(pattern, type))
}

/** In filters only `*` is a wildcard; a pattern with `?` means the character. */
function typeMatches(pattern: string, type: string): boolean {
  if (!pattern.includes('*')) return pattern === type
  return globMatches(pattern, type, { literalQuestionMark: true })
}

function idPasses(id: string, wanted: ReadonlySet<string> | undefined, unwanted: ReadonlySet<string>): boolean {
  return !unwanted.has(id) && (wanted === undefined || wanted.has(id))
}

function containsUrl(content: JsonObject | string | undefined): boolean {
  if (content === undefined) return false
  if (typeof content !== 'string') return own(content, 'url') !== undefined
  // An escaped spelling of the key has a backslash.
  if (!content.includes('"url"') && !content.includes('\\')) return false
  const parsed = parseJson(content)
  return isObject(parsed) && own(parsed, 'url') !== undefined
}

function relationsPass(filter: EventFilter, relatedBy: NonNullable<FilterableEvent['relatedBy']>): boolean {
  const { relatedByRelTypes: relTypes, relatedBySenders: senders } = filter
  if (relTypes === undefined && senders === undefined) return true
  return relatedBy.some(
    ({ relType, sender }) =>
      (relTypes === undefined || relTypes.has(relType)) && (senders === undefined || senders.has(sender)),
  )
}
