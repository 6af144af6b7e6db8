import type { AuthEvent } from './event.ts'
import type { UserId } from './ids.ts'
import { isObject, isRawNumber, type JsonObject, type JsonValue, own } from './json.ts'
import type { RoomVersion } from './room-version.ts'

/** The seven plain levels of `m.room.power_levels`, and what holds where the event or the key is missing. */
export const LEVEL_DEFAULTS = {
  users_default: 0,
  events_default: 0,
  state_default: 50,
  ban: 50,
  redact: 50,
  kick: 50,
  invite: 0,
} as const

/**
 * An exact integer. Old room versions set it no bounds: what a number holds exactly is a number, anything beyond a
 * bigint, so that `===` and `<` tell the truth about any two of them. Infinity is the level of creators.
 */
export type Level = number | bigint

/** Who may do what in a room (Client-Server API, `m.room.power_levels`). Creators of v12 rooms have Infinity. */
export interface PowerLevels {
  readonly invite: Level
  readonly kick: Level
  readonly ban: Level
  readonly redact: Level
  readonly stateDefault: Level
  readonly eventsDefault: Level
  readonly usersDefault: Level
  /** Level for an `@room` mention. */
  readonly notificationsRoom: Level
  ofUser(userId: string): Level
  /** Level that sending an event of this type takes. */
  toSend(type: string, isState: boolean): Level
}

const DEFAULT_NOTIFICATIONS_ROOM = 50
const CREATOR_LEVEL = 100

export function powerLevelsOf(
  version: RoomVersion,
  create: AuthEvent | undefined,
  event: AuthEvent | undefined,
): PowerLevels {
  const content = event?.content ?? {}
  const creators: ReadonlySet<string> = new Set(create === undefined ? [] : creatorsOf(version, create))
  const plain = (key: keyof typeof LEVEL_DEFAULTS) => levelOf(version, own(content, key)) ?? LEVEL_DEFAULTS[key]
  const usersDefault = plain('users_default')
  const eventsDefault = plain('events_default')
  const stateDefault = plain('state_default')
  return {
    invite: plain('invite'),
    kick: plain('kick'),
    ban: plain('ban'),
    redact: plain('redact'),
    stateDefault,
    eventsDefault,
    usersDefault,
    notificationsRoom: levelIn(version, content, 'notifications', 'room') ?? DEFAULT_NOTIFICATIONS_ROOM,
    ofUser(userId) {
      if (version.privilegedCreators && creators.has(userId)) return Number.POSITIVE_INFINITY
      // Without a power levels event the creator has 100 and everybody else 0.
      if (event === undefined) return creators.has(userId) ? CREATOR_LEVEL : 0
      return levelIn(version, content, 'users', userId) ?? usersDefault
    },
    toSend: (type, isState) => levelIn(version, content, 'events', type) ?? (isState ? stateDefault : eventsDefault),
  }
}

/** Those who made the room: v1-10 `content.creator`, v11 the sender, v12 also `additional_creators`. */
export function creatorsOf(version: RoomVersion, create: AuthEvent): readonly UserId[] {
  if (!version.creatorIsSender) {
    const creator = own(create.content, 'creator')
    return typeof creator === 'string' ? [creator as UserId] : []
  }
  const additional = version.privilegedCreators ? own(create.content, 'additional_creators') : undefined
  const others = Array.isArray(additional) ? (additional as readonly JsonValue[]) : []
  return [create.sender, ...others.filter((user): user is UserId => typeof user === 'string')]
}

function levelIn(version: RoomVersion, content: JsonObject, map: string, key: string): Level | undefined {
  const levels = own(content, map)
  return isObject(levels) ? levelOf(version, own(levels, key)) : undefined
}

/** How v1-9 may spell a level as a string: digits, as many as one likes, and perhaps a sign and white space around. */
const LEVEL_TEXT = /^\s*[+-]?[0-9]+\s*$/
const DECIMAL = /^(-?)0?([0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/

/**
 * A level as an integer, or undefined where the value is none in this version: v1-9 take strings of digits, v1-5 also
 * floats, of which the fraction is cut off; from v10 on there are integers only (the page of each version, "Deprecated
 * event content schemas").
 */
export function levelOf(version: RoomVersion, value: JsonValue | undefined): Level | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value + 0
  if (version.integerLevels) return undefined
  if (typeof value === 'string') return LEVEL_TEXT.test(value) ? exact(BigInt(value)) : undefined
  return version.strictJson ? undefined : integerPart(sourceOf(value))
}

/** The text of a number, as it stood in the event. */
function sourceOf(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'number') return String(value)
  return isRawNumber(value) ? value.raw : undefined
}

/** The exponent is applied first, then the fraction is cut off. What a double cannot hold is no level. */
function integerPart(source: string | undefined): Level | undefined {
  const rounded = Number(source)
  if (source === undefined || !Number.isFinite(rounded)) return undefined
  if (Math.abs(rounded) < 1) return 0
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(source) ?? []
  const point = whole.length + Number(exponent)
  const digits = whole + fraction
  // The double's range bounds the zeros that are added here.
  return exact(BigInt(sign + digits.slice(0, point).padEnd(point, '0')))
}

function exact(integer: bigint): Level {
  const number = Number(integer)
  return Number.isSafeInteger(number) ? number : integer
}
