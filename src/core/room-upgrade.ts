import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
import { LEVEL_DEFAULTS, levelOf } from './power-levels.ts'
import type { RoomVersion } from './room-version.ts'

/** State that the replacement of a room has from it (Client-Server API, "Room Upgrades", server behaviour). */
export const TRANSFERRED = [
  'm.room.history_visibility',
  'm.room.join_rules',
  'm.room.guest_access',
  'm.room.server_acl',
  'm.room.encryption',
  'm.room.name',
  'm.room.topic',
  'm.room.avatar',
] as const

/** Keys of the create event that the replacement has as well. */
const TRANSFERRED_CREATE = ['type', 'm.federate']

export function transferredCreateContent(old: JsonObject): JsonObject {
  return Object.fromEntries(
    TRANSFERRED_CREATE.flatMap((key): [string, JsonValue][] => {
      const value = own(old, key)
      return value === undefined ? [] : [[key, value]]
    }),
  )
}

/** The join rules as the version can have them: one that it does not know would let nobody in. */
export function transferredJoinRules(version: RoomVersion, old: JsonObject): JsonObject {
  const rule = own(old, 'join_rule')
  const known =
    (rule !== 'knock' || version.knock) &&
    (rule !== 'restricted' || version.restricted) &&
    (rule !== 'knock_restricted' || version.knockRestricted)
  return known ? old : { join_rule: 'invite' }
}

/** Level of who made a room before room version 12. */
const CREATOR_LEVEL = 100
const TOMBSTONE_LEVEL = 150

export interface LevelsWanted {
  readonly from: RoomVersion
  readonly to: RoomVersion
  /** undefined: the old room has no power levels event. */
  readonly content: JsonObject | undefined
  /** Those of the old room, and of the new one, who upgrades it among them. */
  readonly oldCreators: readonly string[]
  readonly newCreators: readonly string[]
}

/** The power levels of the replacement: those of the old room, as the new version has them. */
export function transferredLevels({ from, to, content, oldCreators, newCreators }: LevelsWanted): JsonObject {
  const levels = to.integerLevels ? integers(from, content ?? {}) : (content ?? {})
  const users = objectIn(levels, 'users')
  const named = new Map(Object.entries(users))
  // Creators who stood above all levels, or had theirs without an event, need one where the new room does not set them
  // apart.
  if (from.privilegedCreators || content === undefined) {
    for (const creator of oldCreators) named.set(creator, Math.max(CREATOR_LEVEL, highestLevel(levels)))
  }
  if (to.privilegedCreators) for (const creator of newCreators) named.delete(creator)
  const unchanged = named.size === Object.keys(users).length && own(levels, 'users') !== undefined
  const withUsers = unchanged ? levels : { ...levels, users: Object.fromEntries(named) }
  return to.privilegedCreators ? withTombstone(withUsers) : withUsers
}

/** In room version 12 ending a room takes more than other state. */
function withTombstone(levels: JsonObject): JsonObject {
  const events = objectIn(levels, 'events')
  const stateDefault = numberIn(levels, 'state_default')
  const own = numberAt(events, 'm.room.tombstone')
  if (own !== undefined && own > stateDefault) return levels
  return { ...levels, events: { ...events, 'm.room.tombstone': Math.max(TOMBSTONE_LEVEL, stateDefault + 1) } }
}

/** With the user at a level that lets all transferred state be sent; the same content if the user has it already. */
export function withPower(version: RoomVersion, levels: JsonObject, userId: string): JsonObject {
  if (version.privilegedCreators) return levels
  const users = objectIn(levels, 'users')
  const needed = Math.max(highestNeeded(levels), LEVEL_DEFAULTS.state_default)
  const current = numberAt(users, userId) ?? numberIn(levels, 'users_default')
  return current >= needed ? levels : { ...levels, users: { ...users, [userId]: needed } }
}

/** The levels of the old room once nobody is to write there any more. */
export function closingLevels(content: JsonObject): JsonObject {
  const least = Math.max(50, numberIn(content, 'users_default') + 1)
  return {
    ...content,
    events_default: Math.max(least, numberIn(content, 'events_default')),
    invite: Math.max(least, numberIn(content, 'invite')),
  }
}

/** From room version 10 on levels are integers; what was none is left out. */
function integers(from: RoomVersion, content: JsonObject): JsonObject {
  const entries = Object.entries(content).flatMap(([key, value]): [string, JsonValue][] => {
    if (isObject(value)) return [[key, integers(from, value)]]
    const level = levelOf(from, value)
    return typeof level === 'number' ? [[key, level]] : []
  })
  return Object.fromEntries(entries)
}

function highestLevel(levels: JsonObject): number {
  const users = Object.values(objectIn(levels, 'users')).filter((level) => typeof level === 'number')
  return Math.max(highestNeeded(levels), ...users)
}

function highestNeeded(levels: JsonObject): number {
  const events = Object.values(objectIn(levels, 'events')).filter((level) => typeof level === 'number')
  return Math.max(numberIn(levels, 'state_default'), numberIn(levels, 'ban'), ...events)
}

function objectIn(object: JsonObject, key: string): JsonObject {
  const value = own(object, key)
  return isObject(value) ? value : {}
}

function numberIn(levels: JsonObject, key: keyof typeof LEVEL_DEFAULTS): number {
  return numberAt(levels, key) ?? LEVEL_DEFAULTS[key]
}

function numberAt(levels: JsonObject, key: string): number | undefined {
  const value = own(levels, key)
  const level = typeof value === 'string' ? Number(value) : value
  return typeof level === 'number' && Number.isSafeInteger(level) ? level : undefined
}
