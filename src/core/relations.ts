import { isObject, type JsonObject, own } from './json.ts'

/** How an event relates to another one (Client-Server API, "Forming relationships between events"). */
export interface Relation {
  /** Both or neither: a `rel_type` without a valid `event_id` is no relationship. */
  readonly relType: string | undefined
  readonly eventId: string | undefined
  /** The root of the thread that the event names itself part of. */
  readonly threadRoot: string | undefined
  /** `m.in_reply_to` is only there for clients without threads. */
  readonly isFallingBack: boolean
  readonly inReplyTo: string | undefined
  /** `m.annotation` only: what is annotated, for instance an emoji. */
  readonly key: string | undefined
}

/**
 * Also what is left of a relation once its event is redacted: `m.relates_to` is not among the keys that redaction
 * keeps, in any room version. Relations *to* a redacted event remain, except that edits are not bundled any more.
 */
export const NO_RELATION: Relation = {
  relType: undefined,
  eventId: undefined,
  threadRoot: undefined,
  isFallingBack: false,
  inReplyTo: undefined,
  key: undefined,
}

/** Longest id and type that we index: the limit of event ids and event types, in bytes. */
const MAX_BYTES = 255
/** A reaction is one emoji or a few words; the limit keeps the index small. Longer keys are no annotation for us. */
const MAX_KEY_BYTES = 1_024

/** Never throws: what does not match the schema is no relation. */
export function relationOf(content: JsonObject): Relation {
  const relatesTo = own(content, 'm.relates_to')
  if (relatesTo === undefined || !isObject(relatesTo)) return NO_RELATION
  const inReplyTo = replyTarget(relatesTo)
  const relType = shortString(relatesTo, 'rel_type', MAX_BYTES)
  const eventId = eventIdIn(relatesTo)
  if (relType === undefined || relType === '' || eventId === undefined) return { ...NO_RELATION, inReplyTo }
  return {
    relType,
    eventId,
    threadRoot: relType === 'm.thread' ? eventId : undefined,
    isFallingBack: own(relatesTo, 'is_falling_back') === true,
    inReplyTo,
    key: relType === 'm.annotation' ? shortString(relatesTo, 'key', MAX_KEY_BYTES) : undefined,
  }
}

/** What the rules about replacements read of the two events. */
export interface Related {
  readonly eventId: string
  readonly roomId: string
  readonly sender: string
  readonly type: string
  readonly stateKey: string | null
  readonly originServerTs: number
  readonly content: JsonObject
}

/** Whether an edit counts ("Validity of replacement events"). Encrypted edits keep their new content to themselves. */
export function isValidReplacement(original: Related, replacement: Related): boolean {
  const relation = relationOf(replacement.content)
  if (relation.relType !== 'm.replace' || relation.eventId !== original.eventId) return false
  if (original.roomId !== replacement.roomId || original.sender !== replacement.sender) return false
  if (original.type !== replacement.type) return false
  if (original.stateKey !== null || replacement.stateKey !== null) return false
  if (relationOf(original.content).relType === 'm.replace') return false
  const newContent = own(replacement.content, 'm.new_content')
  return replacement.type === 'm.room.encrypted' || (newContent !== undefined && isObject(newContent))
}

/** Orders edits, the latest last: by `origin_server_ts`, then by event id as code points. For `sort`. */
export function compareReplacements(
  a: Pick<Related, 'originServerTs' | 'eventId'>,
  b: Pick<Related, 'originServerTs' | 'eventId'>,
): number {
  if (a.originServerTs !== b.originServerTs) return a.originServerTs < b.originServerTs ? -1 : 1
  return a.eventId === b.eventId ? 0 : a.eventId < b.eventId ? -1 : 1
}

/**
 * Why a client may not relate a new event to its target, or undefined. Threads cannot start from an event that is
 * itself a child ("Validation of m.thread relationships": 400 M_UNKNOWN). The target's relation is NO_RELATION when
 * we do not know the target.
 */
export function relationFault(relation: Relation, target: Relation): string | undefined {
  if (relation.relType !== 'm.thread' || target.relType === undefined) return undefined
  return 'A thread cannot start from an event that relates to another event'
}

function replyTarget(relatesTo: JsonObject): string | undefined {
  const reply = own(relatesTo, 'm.in_reply_to')
  return reply !== undefined && isObject(reply) ? eventIdIn(reply) : undefined
}

function eventIdIn(object: JsonObject): string | undefined {
  const id = shortString(object, 'event_id', MAX_BYTES)
  return id?.startsWith('$') ? id : undefined
}

function shortString(object: JsonObject, key: string, maxBytes: number): string | undefined {
  const value = own(object, key)
  return typeof value === 'string' && Buffer.byteLength(value) <= maxBytes ? value : undefined
}
