import { isObject, type JsonObject, type JsonValue, own } from './json.ts'

/** Join rules by which members of other rooms may come in (room versions 8 and 10). */
export function isRestricted(joinRule: string | null | undefined): boolean {
  return joinRule === 'restricted' || joinRule === 'knock_restricted'
}

/** Rooms looked at for one join: a hostile rule must not buy thousands of lookups. */
const MAX_ALLOWED_ROOMS = 100

/** The rooms whose members a restricted room lets in (`allow` of `m.room.join_rules`). */
export function allowedRoomIds(joinRules: JsonObject | undefined): string[] {
  const allow = joinRules === undefined ? undefined : own(joinRules, 'allow')
  if (!Array.isArray(allow)) return []
  const ids = (allow as readonly JsonValue[]).flatMap((condition) => {
    if (!isObject(condition) || own(condition, 'type') !== 'm.room_membership') return []
    const roomId = own(condition, 'room_id')
    return typeof roomId === 'string' ? [roomId] : []
  })
  return [...new Set(ids)].slice(0, MAX_ALLOWED_ROOMS)
}
