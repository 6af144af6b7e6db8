import { isHistoricalUserId } from '../ids.ts'
import { isObject, isRawNumber, type JsonObject, type JsonValue, own } from '../json.ts'
import { creatorsOf, LEVEL_DEFAULTS, type Level, levelOf } from '../power-levels.ts'
import type { RoomVersion } from '../room-version.ts'
import type { RuleName } from './rule-numbers.ts'
import { ALLOW, type Case, deny, type Verdict } from './verdict.ts'

const PLAIN_LEVELS = Object.keys(LEVEL_DEFAULTS)
const TYPE_MAPS = ['events', 'notifications']

/** Nobody grants, or takes away, more power than they have. */
export function authorisePowerLevels(held: Case): Verdict {
  const { event, version, state } = held
  const fault = shapeFault(held)
  if (fault !== undefined) return fault
  const current = state('m.room.power_levels', '')?.content
  // The first power levels are free.
  if (current === undefined) return ALLOW
  const faultIn = (map: string, rules: ChangeRules) =>
    changesFault(held, mapAt(current, map), mapAt(event.content, map), rules)
  return (
    changesFault(held, plainLevels(current), plainLevels(event.content), PLAIN_RULES) ??
    faultIn('events', MAP_RULES) ??
    (version.guardNotifications ? faultIn('notifications', MAP_RULES) : undefined) ??
    faultIn('users', USERS_RULES) ??
    ALLOW
  )
}

/** Which rules refuse a change: of the level that is, and of the level that would be. */
interface ChangeRules {
  readonly current: RuleName
  readonly new: RuleName
}

const PLAIN_RULES: ChangeRules = { current: 'power_levels.plain.current', new: 'power_levels.plain.new' }
const MAP_RULES: ChangeRules = { current: 'power_levels.map_changed.current', new: 'power_levels.map_added.new' }
const USERS_RULES: ChangeRules = { current: 'power_levels.users_changed.current', new: 'power_levels.users_added.new' }

function shapeFault({ event, version, create }: Case): Verdict | undefined {
  const { content } = event
  const isLevel = (value: JsonValue) => levelOf(version, value) !== undefined
  const isMap = (value: JsonValue) => isObject(value) && Object.values(value).every(isLevel)
  if (version.integerLevels) {
    const plain = Object.entries(plainLevels(content)).find(([, level]) => !isLevel(level))
    if (plain !== undefined) return deny(version, 'power_levels.plain_type', `${plain[0]} is not an integer`)
    const map = TYPE_MAPS.find((key) => !isMap(mapAt(content, key)))
    if (map !== undefined) return deny(version, 'power_levels.map_type', `${map} is not a map of integers`)
  }
  // A number beyond the doubles has the event rejected even where nothing is compared (v1-5, "Deprecated event content
  // schemas").
  if (Object.values(plainLevels(content)).some(isUnbounded)) {
    return deny(version, 'power_levels.plain.new', 'a level is out of range')
  }
  if (TYPE_MAPS.some((key) => Object.values(mapAt(content, key) ?? {}).some(isUnbounded))) {
    return deny(version, 'power_levels.map_added.new', 'a level is out of range')
  }
  const users = mapAt(content, 'users')
  if (!isMap(users) || !Object.keys(users as JsonObject).every(isHistoricalUserId)) {
    return deny(version, 'power_levels.users_type', 'users is not a map of user ids to levels')
  }
  // Creators stand above all levels and are given none.
  const named =
    version.privilegedCreators && creatorsOf(version, create).find((user) => Object.hasOwn(users as object, user))
  return named ? deny(version, 'power_levels.creators', `the creator ${named} has no level`) : undefined
}

/**
 * Compares the entries that differ. A side without an entry is not compared, as in the servers that most rooms were
 * built with. Before v10 nothing forbids entries that are no levels, but no change can be made beside them.
 */
function changesFault(
  { version, event, senderLevel }: Case,
  current: JsonValue,
  wanted: JsonValue,
  rules: ChangeRules,
): Verdict | undefined {
  if (!isObject(current)) return deny(version, rules.current, 'the current levels are not a map')
  if (!isObject(wanted)) return deny(version, rules.new, 'the new levels are not a map')
  for (const key of new Set([...Object.keys(current), ...Object.keys(wanted)])) {
    const before = levelAt(version, current, key)
    const after = levelAt(version, wanted, key)
    if (before === 'invalid') return deny(version, rules.current, `the level of ${key} is none`)
    if (after === 'invalid') return deny(version, rules.new, `the new level of ${key} is none`)
    if (before === after) continue
    if (before !== undefined && isOutOfReach(before, key)) {
      return deny(version, rules.current, `the level of ${key} is out of the sender’s reach`)
    }
    if (after !== undefined && after > senderLevel) {
      return deny(version, rules.new, `the new level of ${key} would be above the sender’s`)
    }
  }
  return undefined

  /** The level of another user must be lower than the sender's; any other, and one's own, may be as high. */
  function isOutOfReach(level: Level, key: string): boolean {
    const isOther = rules === USERS_RULES && key !== event.sender
    return isOther ? level >= senderLevel : level > senderLevel
  }
}

function levelAt(version: RoomVersion, levels: JsonObject, key: string): Level | 'invalid' | undefined {
  const value = own(levels, key)
  return value === undefined ? undefined : (levelOf(version, value) ?? 'invalid')
}

function plainLevels(content: JsonObject): JsonObject {
  const keys = PLAIN_LEVELS.filter((key) => Object.hasOwn(content, key))
  return Object.fromEntries(keys.map((key) => [key, own(content, key)!]))
}

/** An absent map is an empty one; null is no map. */
function mapAt(content: JsonObject, key: string): JsonValue {
  const value = own(content, key)
  return value === undefined ? {} : value
}

function isUnbounded(value: unknown): boolean {
  return isRawNumber(value) && !Number.isFinite(Number(value.raw))
}
