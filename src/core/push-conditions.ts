import { type GlobBudget, globMatches, wordGlobMatches, wordsOccur } from './glob.ts'
import { isObject, type JsonObject, type JsonValue, own } from './json.ts'

/** What the conditions know beside the event. */
export interface PushContext {
  /** Whose rules are evaluated. */
  readonly userId: string
  /** The user's display name in the room. */
  readonly displayName: string | undefined
  readonly memberCount: number
  /** Whether the sender may notify with this key, usually `room`: see `notificationLevel`. */
  senderMayNotify(key: string): boolean
}

/** The event of one evaluation for many users: each property is looked up once, whoever asks for it. */
export interface PushEvent {
  readonly sender: string
  readonly roomId: string
  /** The value at a dot-separated path, or undefined. */
  property(path: string): JsonValue | undefined
  /** What a text of the event is in lower case. */
  lowered(text: string): string
}

export interface PushEventSource {
  readonly eventId: string
  readonly roomId: string
  readonly type: string
  /** null: not a state event. */
  readonly stateKey: string | null
  readonly sender: string
  readonly originServerTs: number
  readonly content: JsonObject
}

/** What a sender needs where `notifications` of the power levels says nothing (m.room.power_levels). */
const DEFAULT_NOTIFICATION_LEVEL = 50
/** Longest path of a condition that is looked up, in UTF-16 units; a longer one matches nothing. */
const MAX_PATH_LENGTH = 1_024

export function pushEvent(source: PushEventSource): PushEvent {
  const root = new Map<string, JsonValue>([
    ['content', source.content],
    ['event_id', source.eventId],
    ['origin_server_ts', source.originServerTs],
    ['room_id', source.roomId],
    ['sender', source.sender],
    ['type', source.type],
  ])
  if (source.stateKey !== null) root.set('state_key', source.stateKey)
  const known = new Map<string, JsonValue | undefined>()
  const lowered = new Map<string, string>()
  return {
    sender: source.sender,
    roomId: source.roomId,
    property(path) {
      const found = known.get(path)
      if (found !== undefined || known.has(path)) return found
      const value = valueAt(root, path)
      known.set(path, value)
      return value
    },
    lowered(text) {
      let value = lowered.get(text)
      if (value === undefined) {
        value = text.toLowerCase()
        lowered.set(text, value)
      }
      return value
    },
  }
}

/** Client-Server API, "Conditions". A condition that is malformed or not known matches nothing, and nothing throws. */
export function conditionHolds(
  condition: JsonValue,
  event: PushEvent,
  context: PushContext,
  budget: GlobBudget,
): boolean {
  if (!isObject(condition)) return false
  switch (own(condition, 'kind')) {
    case 'event_match':
      return eventMatches(own(condition, 'key'), own(condition, 'pattern'), event, budget)
    case 'event_property_is':
      return isSame(propertyOf(event, condition), own(condition, 'value'))
    case 'event_property_contains': {
      const [list, value] = [propertyOf(event, condition), own(condition, 'value')]
      return Array.isArray(list) && (list as readonly JsonValue[]).some((entry) => isSame(entry, value))
    }
    case 'contains_display_name':
      return displayNameOccurs(context.displayName, event)
    case 'room_member_count':
      return memberCountFits(own(condition, 'is'), context.memberCount)
    case 'sender_notification_permission': {
      const key = own(condition, 'key')
      return typeof key === 'string' && context.senderMayNotify(key)
    }
    default:
      return false
  }
}

/** `event_match`: the glob fits the whole value, or in `content.body` some words of it. */
export function eventMatches(
  key: JsonValue | undefined,
  pattern: JsonValue | undefined,
  event: PushEvent,
  budget: GlobBudget,
): boolean {
  if (typeof key !== 'string' || typeof pattern !== 'string') return false
  const value = event.property(key)
  if (typeof value !== 'string') return false
  if (value === pattern) return true
  const text = event.lowered(value)
  if (key === 'content.body') return wordGlobMatches(pattern, text, budget)
  return globMatches(pattern.toLowerCase(), text, { budget })
}

/** The level that `notifications` of the power levels asks for this key; 50 where nothing valid stands. */
export function notificationLevel(powerLevels: JsonObject | undefined, key: string): number {
  const notifications = powerLevels === undefined ? undefined : own(powerLevels, 'notifications')
  if (notifications === undefined || !isObject(notifications)) return DEFAULT_NOTIFICATION_LEVEL
  const level = own(notifications, key)
  if (typeof level === 'number' && Number.isSafeInteger(level)) return level
  // Room versions 1 to 9 know levels as strings too.
  const isDecimal = typeof level === 'string' && /^\s*[+-]?[0-9]{1,15}\s*$/.test(level)
  return isDecimal ? Number(level) : DEFAULT_NOTIFICATION_LEVEL
}

/** Appendices, "Dot-separated property paths": `\.` and `\\` are the characters, other backslashes are literal. */
export function splitPath(path: string): readonly string[] {
  const names: string[] = []
  let name = ''
  for (let at = 0; at < path.length; at++) {
    const character = path.charAt(at)
    const next = path.charAt(at + 1)
    if (character === '.') {
      names.push(name)
      name = ''
    } else if (character === '\\' && (next === '.' || next === '\\')) {
      name += next
      at++
    } else {
      name += character
    }
  }
  names.push(name)
  return names
}

function valueAt(root: ReadonlyMap<string, JsonValue>, path: string): JsonValue | undefined {
  if (path.length > MAX_PATH_LENGTH) return undefined
  const [first = '', ...names] = splitPath(path)
  let value = root.get(first)
  for (const name of names) {
    if (value === undefined || !isObject(value)) return undefined
    value = own(value, name)
  }
  return value
}

function propertyOf(event: PushEvent, condition: JsonObject): JsonValue | undefined {
  const key = own(condition, 'key')
  return typeof key === 'string' ? event.property(key) : undefined
}

/** Exactly equal, among strings, safe integers, booleans and null only. */
function isSame(actual: JsonValue | undefined, wanted: JsonValue | undefined): boolean {
  if (actual === undefined || actual !== wanted) return false
  if (typeof actual === 'number') return Number.isSafeInteger(actual)
  return actual === null || typeof actual !== 'object'
}

function displayNameOccurs(displayName: string | undefined, event: PushEvent): boolean {
  const body = event.property('content.body')
  if (typeof body !== 'string' || displayName === undefined) return false
  return wordsOccur(displayName, event.lowered(body))
}

function memberCountFits(is: JsonValue | undefined, count: number): boolean {
  const parts = typeof is === 'string' ? /^(==|<=|>=|<|>)?([0-9]{1,15})$/.exec(is) : null
  if (parts === null) return false
  const wanted = Number(parts[2])
  switch (parts[1]) {
    case '<':
      return count < wanted
    case '>':
      return count > wanted
    case '<=':
      return count <= wanted
    case '>=':
      return count >= wanted
    default:
      return count === wanted
  }
}
