import { isHistoricalUserId } from '../ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../json.ts'
import { creatorsOf, LEVEL_DEFAULTS, levelOf } from '../power-levels.ts'
import type { RoomVersion } from '../room-version.ts'
import { ALLOW, type Case, deny, type Verdict } from './verdict.ts'

/** K: nobody grants, or takes away, more power than they have. */
export function authorisePowerLevels(held: Case): Verdict {
  const shape = checkShape(held)
  if (!shape.allowed) return shape
  const current = held.state('m.room.power_levels', '')
  // K5: the first power levels are free.
  if (current === undefined) return ALLOW
  const { event, version, senderLevel } = held
  const exceeds = (level: number | undefined) => level !== undefined && level > senderLevel
  // K6: plain levels. K7: levels of event types. K8 (v6+): levels of notifications.
  const guarded = ['events', ...(version.guardNotifications ? ['notifications'] : [])]
  const pairs = [
    ...changes(version, plainLevels(current.content), plainLevels(event.content)),
    ...guarded.flatMap((map) => changes(version, mapAt(current.content, map), mapAt(event.content, map))),
  ]
  for (const { key, before, after } of pairs) {
    if (exceeds(before)) return deny('K6', `the level of ${key} is above the sender’s`)
    if (exceeds(after)) return deny('K7', `the new level of ${key} would be above the sender’s`)
  }
  for (const { key, before, after } of changes(
    version,
    mapAt(current.content, 'users'),
    mapAt(event.content, 'users'),
  )) {
    // K9: the level of another with as much power stays.
    if (key !== event.sender && before !== undefined && before >= senderLevel) {
      return deny('K9', `the level of ${key} is not below the sender’s`)
    }
    // K10: nobody is given more than the sender has.
    if (exceeds(after)) return deny('K10', `the new level of ${key} would be above the sender’s`)
  }
  return ALLOW
}

function checkShape({ event, version, create }: Case): Verdict {
  const { content } = event
  for (const key of Object.keys(LEVEL_DEFAULTS)) {
    const value = own(content, key)
    // K1 (v10+): integers only; before, any of the spellings.
    if (value !== undefined && levelOf(version, value) === undefined) return deny('K1', `${key} is not a level`)
  }
  // K2 (v10+): maps of integers.
  for (const map of version.integerLevels ? ['events', 'notifications'] : []) {
    const value = own(content, map)
    if (value !== undefined && !isMapOfLevels(version, value)) return deny('K2', `${map} is not a map of levels`)
  }
  const users = own(content, 'users')
  if (users === undefined) return ALLOW
  // K3: users are user ids with levels.
  if (!isMapOfLevels(version, users) || !Object.keys(users as JsonObject).every(isHistoricalUserId)) {
    return deny('K3', 'users is not a map of user ids to levels')
  }
  // K4 (v12): creators stand above all levels and are given none.
  const named =
    version.privilegedCreators && creatorsOf(version, create).find((user) => Object.hasOwn(users as object, user))
  return named ? deny('K4', `the creator ${named} has no level`) : ALLOW
}

function isMapOfLevels(version: RoomVersion, value: JsonValue): boolean {
  return isObject(value) && Object.values(value).every((level) => levelOf(version, level) !== undefined)
}

interface Change {
  readonly key: string
  readonly before: number | undefined
  readonly after: number | undefined
}

/** Entries that differ. A side that has none is not compared, as in the servers that most rooms were built with. */
function changes(version: RoomVersion, before: JsonObject, after: JsonObject): Change[] {
  const changed: Change[] = []
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const change = { key, before: levelOf(version, own(before, key)), after: levelOf(version, own(after, key)) }
    if (change.before !== change.after) changed.push(change)
  }
  return changed
}

function plainLevels(content: JsonObject): JsonObject {
  const keys = Object.keys(LEVEL_DEFAULTS).filter((key) => Object.hasOwn(content, key))
  return Object.fromEntries(keys.map((key) => [key, own(content, key)!]))
}

function mapAt(content: JsonObject, key: string): JsonObject {
  const value = own(content, key)
  return value !== undefined && isObject(value) ? value : {}
}
