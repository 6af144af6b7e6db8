import type { RoomVersion } from './room-version.ts'

/** An event as the store keeps it: columns, and the exact JSON text of its content. */
export interface ClientEventRow {
  readonly eventId: string
  /** undefined where the reply names the room elsewhere (`/sync`). */
  readonly roomId: string | undefined
  readonly type: string
  /** null: not a state event. */
  readonly stateKey: string | null
  readonly sender: string
  readonly originServerTs: number
  /** The text of a JSON object, spliced in as it is. */
  readonly contentText: string
  readonly redacts?: string | null | undefined
  readonly version: Pick<RoomVersion, 'redactsInContent'>
}

/** What `unsigned` may say of an event. Texts are JSON that is spliced in; what is undefined or null is left out. */
export interface UnsignedFacts {
  /** Milliseconds since the event was sent, from `eventAge`. */
  readonly age?: number | undefined
  /** Only for the session that sent the event. */
  readonly transactionId?: string | null | undefined
  /** The content that a state event replaced, if the user may see that event. */
  readonly prevContentText?: string | null | undefined
  /** The event that a state event replaced, whoever asks (v1.19). */
  readonly replacesState?: string | null | undefined
  /** The asking user's membership at the event, its own change included (v1.11): `leave` without a member event. */
  readonly membership?: string | null | undefined
  readonly redactedBy?: string | null | undefined
  /** The redaction as a client event, from `clientEventJson` without room id. */
  readonly redactedBecauseText?: string | null | undefined
  /** Bundled aggregations, the object under `m.relations`. */
  readonly relationsText?: string | null | undefined
  /** Stripped state that travels with an invite or a knock: an array. */
  readonly inviteRoomStateText?: string | null | undefined
  readonly knockRoomStateText?: string | null | undefined
}

/**
 * The event as clients get it (Client-Server API, "Room event format"), as JSON text. Neither content nor `unsigned`
 * is parsed: splicing is many times cheaper than parsing and printing.
 */
export function clientEventJson(row: ClientEventRow, unsignedText: string | undefined): string {
  const redacts = row.type === 'm.room.redaction' ? row.redacts : undefined
  let json = `{"content":${redacts ? redactionContent(row, redacts) : row.contentText}`
  json += `,"event_id":${JSON.stringify(row.eventId)},"origin_server_ts":${JSON.stringify(row.originServerTs)}`
  // Room version 11 moved the key into content; older clients look here in every version.
  if (redacts) json += `,"redacts":${JSON.stringify(redacts)}`
  if (row.roomId !== undefined) json += `,"room_id":${JSON.stringify(row.roomId)}`
  json += `,"sender":${JSON.stringify(row.sender)}`
  if (row.stateKey !== null) json += `,"state_key":${JSON.stringify(row.stateKey)}`
  json += `,"type":${JSON.stringify(row.type)}`
  if (unsignedText !== undefined) json += `,"unsigned":${unsignedText}`
  return `${json}}`
}

/** The text of `unsigned`, or undefined when there is nothing to say. */
export function unsignedJson(facts: UnsignedFacts): string | undefined {
  const parts: string[] = []
  if (facts.age !== undefined) parts.push(`"age":${JSON.stringify(facts.age)}`)
  if (facts.inviteRoomStateText != null) parts.push(`"invite_room_state":${facts.inviteRoomStateText}`)
  if (facts.knockRoomStateText != null) parts.push(`"knock_room_state":${facts.knockRoomStateText}`)
  if (facts.relationsText != null) parts.push(`"m.relations":${facts.relationsText}`)
  if (facts.membership != null) parts.push(`"membership":${JSON.stringify(facts.membership)}`)
  if (facts.prevContentText != null) parts.push(`"prev_content":${facts.prevContentText}`)
  // The older name of what `redacted_because` says in full.
  if (facts.redactedBy != null) parts.push(`"redacted_by":${JSON.stringify(facts.redactedBy)}`)
  if (facts.redactedBecauseText != null) parts.push(`"redacted_because":${facts.redactedBecauseText}`)
  if (facts.replacesState != null) parts.push(`"replaces_state":${JSON.stringify(facts.replacesState)}`)
  if (facts.transactionId != null) parts.push(`"transaction_id":${JSON.stringify(facts.transactionId)}`)
  return parts.length === 0 ? undefined : `{${parts.join(',')}}`
}

/** Milliseconds from the claim of the origin to our `nowMs`; negative when its clock is ahead, always an integer. */
export function eventAge(originServerTs: number, nowMs: number): number {
  const age = Math.trunc(nowMs) - originServerTs
  return Number.isSafeInteger(age) ? age : 0
}

/**
 * What `unsigned.membership` says for a user: the change of the event itself counts, and no member event is `leave`.
 * `ownChange` is the membership that the event sets if it is the user's own member event.
 */
export function membershipAtEvent(before: string | undefined, ownChange: string | undefined): string {
  return ownChange ?? before ?? 'leave'
}

/**
 * Room versions 1 to 10 keep `redacts` beside content; newer clients look inside it (room version 11, "Moving the
 * redacts property"). Content that might name the key already, perhaps escaped, stays as it is: no key comes twice.
 */
function redactionContent(row: ClientEventRow, redacts: string): string {
  const content = row.contentText
  if (row.version.redactsInContent || content.includes('redacts') || content.includes('\\')) return content
  const open = content.slice(0, content.lastIndexOf('}'))
  const separator = open.trim() === '{' ? '' : ','
  return `${open}${separator}"redacts":${JSON.stringify(redacts)}}`
}
