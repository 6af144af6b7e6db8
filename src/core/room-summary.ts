import { isRoomId } from './ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from './json.ts'

/** A room as another server describes it: in its directory, or as part of a space. */
export interface RemoteSummary {
  readonly room_id: string
  readonly num_joined_members: number
  readonly world_readable: boolean
  readonly guest_can_join: boolean
  readonly join_rule?: string
  readonly allowed_room_ids?: readonly string[]
  readonly [key: string]: JsonValue | undefined
}

const TEXTS = ['name', 'topic', 'avatar_url', 'canonical_alias', 'room_type', 'join_rule', 'room_version', 'encryption']
const TEXT_LENGTH_MAX = 8_192
const ALLOWED_ROOMS_MAX = 100

/** What of the description can be used, key by key (Client-Server API, "Room summary"); undefined: it names no room. */
export function readRoomSummary(value: JsonValue): RemoteSummary | undefined {
  const roomId = isObject(value) ? own(value, 'room_id') : undefined
  if (!isObject(value) || typeof roomId !== 'string' || !isRoomId(roomId)) return undefined
  const members = own(value, 'num_joined_members')
  const allowed = own(value, 'allowed_room_ids')
  return {
    ...textsIn(value),
    room_id: roomId,
    num_joined_members: typeof members === 'number' && Number.isSafeInteger(members) && members > 0 ? members : 0,
    world_readable: own(value, 'world_readable') === true,
    guest_can_join: own(value, 'guest_can_join') === true,
    ...(Array.isArray(allowed) ? { allowed_room_ids: roomIdsIn(allowed, ALLOWED_ROOMS_MAX) } : {}),
  }
}

/** The ids of rooms in an array, without what is none. */
export function roomIdsIn(value: JsonValue | undefined, max: number): string[] {
  const list = Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, max) : []
  return list.filter((id): id is string => typeof id === 'string' && isRoomId(id))
}

function textsIn(value: JsonObject): Record<string, string> {
  const found: Record<string, string> = {}
  for (const key of TEXTS) {
    const text = own(value, key)
    if (typeof text === 'string' && text.length <= TEXT_LENGTH_MAX) found[key] = text
  }
  return found
}
