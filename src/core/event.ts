import type { EventId, RoomId, ServerName, UserId } from './ids.ts'
import type { JsonObject } from './json.ts'
import type { RoomVersion } from './room-version.ts'

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
}

/** An event of any room version, parsed and checked for format. Immutable. */
export interface Event extends AuthEvent {
  readonly version: RoomVersion
  /** The event that this one redacts, from wherever its room version keeps it. */
  readonly redacts: EventId | undefined
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
}

export type { EventId, RoomId, ServerName, UserId }
