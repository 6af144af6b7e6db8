import { isServerName, type ServerName, serverNameOf } from './ids.ts'
import { isObject, type JsonObject, type JsonValue, own, parseJson } from './json.ts'

/** The state that lets somebody outside recognise a room (Client-Server API, "Stripped state"). */
export const STRIPPED_STATE_TYPES = [
  'm.room.create',
  'm.room.name',
  'm.room.avatar',
  'm.room.topic',
  'm.room.join_rules',
  'm.room.canonical_alias',
  'm.room.encryption',
] as const

/** Entries that we take from another server: the types above, members, and room for what may yet come. */
export const STRIPPED_STATE_MAX_ENTRIES = 100

export interface StrippedSource {
  readonly type: string
  readonly stateKey: string
  readonly sender: string
  readonly content: JsonObject
}

/**
 * The keys of the state to read for an invite or a knock: the types of the specification, and the member events of
 * the given users (who is invited and who invites; or who knocks), so that a client can name them.
 */
export function strippedStateKeys(users: readonly string[]): readonly (readonly [type: string, stateKey: string])[] {
  const keys: (readonly [string, string])[] = STRIPPED_STATE_TYPES.map((type) => [type, ''] as const)
  for (const user of new Set(users)) keys.push(['m.room.member', user])
  return keys
}

/** A state event with exactly the keys that stripped state may have. */
export function strippedEvent(event: StrippedSource): JsonObject {
  return { content: event.content, sender: event.sender, state_key: event.stateKey, type: event.type }
}

/** The same as JSON text, around the exact text of the content. */
export function strippedEventJson(event: Omit<StrippedSource, 'content'> & { readonly contentText: string }): string {
  const [sender, stateKey, type] = [event.sender, event.stateKey, event.type].map((text) => JSON.stringify(text))
  return `{"content":${event.contentText},"sender":${sender},"state_key":${stateKey},"type":${type}}`
}

/**
 * What another server sent as `invite_room_state` or `knock_room_state`, made safe for clients: entries that are no
 * state events are dropped, further keys too, and of two entries with one type and state key the last counts. A
 * malformed invite must not break the invited user's `/sync`, so nothing is thrown.
 */
export function pruneStrippedState(value: JsonValue | undefined): readonly JsonObject[] {
  if (!Array.isArray(value)) return []
  const pruned = new Map<string, JsonObject>()
  for (const entry of (value as readonly JsonValue[]).slice(0, STRIPPED_STATE_MAX_ENTRIES)) {
    const source = strippedSource(entry)
    if (source !== undefined) pruned.set(JSON.stringify([source.type, source.stateKey]), strippedEvent(source))
  }
  return [...pruned.values()]
}

function strippedSource(entry: JsonValue): StrippedSource | undefined {
  if (!isObject(entry)) return undefined
  const type = own(entry, 'type')
  const stateKey = own(entry, 'state_key')
  const sender = own(entry, 'sender')
  const content = own(entry, 'content')
  if (typeof type !== 'string' || typeof stateKey !== 'string' || typeof sender !== 'string') return undefined
  return content !== undefined && isObject(content) ? { type, stateKey, sender, content } : undefined
}

/** The servers of those who made the room what it shows of itself. `text`: stripped state that was pruned. */
export function serversShown(text: string | null): readonly ServerName[] {
  const events = text === null ? [] : (parseJson(text) as readonly JsonObject[])
  return [...new Set(events.map(({ sender }) => serverNameOf(String(sender))))].filter((name) => isServerName(name))
}
