import type { AuthEvent } from './event.ts'
import type { UserId } from './ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
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

/** Who may do what in a room (Client-Server API, `m.room.power_levels`). Creators of v12 rooms have Infinity. */
export interface PowerLevels {
  readonly invite: number
  readonly kick: number
  readonly ban: number
  readonly redact: number
  readonly stateDefault: number
  readonly eventsDefault: number
  readonly usersDefault: number
  /** Level for an `@room` mention. */
  readonly notificationsRoom: number
  ofUser(userId: string): number
  /** Level that sending an event of this type takes. */
  toSend(type: string, isState: boolean): number
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

function levelIn(version: RoomVersion, content: JsonObject, map: string, key: string): number | undefined {
  const levels = own(content, map)
  return levels !== undefined && isObject(levels) ? levelOf(version, own(levels, key)) : undefined
}

/** Optional white space, optional sign, decimal digits: how v1-9 may spell a level as a string. */
const LEVEL_TEXT = /^\s{0,20}[+-]?\d{1,20}\s{0,20}$/

/**
 * A level as an integer, or undefined where the value is none in this version: v1-9 take strings of digits, v1-5 also
 * floats, of which the fraction is cut off; from v10 on there are integers only.
 */
export function levelOf(version: RoomVersion, value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) ? value : cutFloat(version, value)
  if (version.integerLevels) return undefined
  if (typeof value === 'string') return LEVEL_TEXT.test(value) ? Number(value) : undefined
  const raw = rawNumberOf(value)
  return raw === undefined ? undefined : cutFloat(version, Number(raw))
}

function cutFloat(version: RoomVersion, value: number): number | undefined {
  return !version.strictJson && Number.isFinite(value) ? Math.trunc(value) : undefined
}

/** The source text of a number that JavaScript would have changed. */
function rawNumberOf(value: JsonValue | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || isObject(value)) return undefined
  const { raw } = value as { raw?: unknown }
  return typeof raw === 'string' ? raw : undefined
}
