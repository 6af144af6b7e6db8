import { isObject, type JsonObject, type JsonValue, own } from './json.ts'
import type { RoomVersion } from './room-version.ts'

/** The PDU with what redaction keeps (the room version's page, "Redactions"). Kept values are not copied. */
export function redactPdu(version: RoomVersion, pdu: JsonObject): JsonObject {
  const kept: [string, JsonValue][] = []
  for (const key of Object.keys(pdu)) {
    if (!version.redaction.topLevel.has(key)) continue
    const value = pdu[key] as JsonValue
    kept.push([key, key === 'content' ? redactContent(version, own(pdu, 'type'), value) : value])
  }
  return Object.fromEntries(kept)
}

/** The content of an event of this type with what redaction keeps. */
export function redactContent(version: RoomVersion, type: JsonValue | undefined, content: JsonValue): JsonValue {
  const keep = typeof type === 'string' ? version.redaction.content.get(type) : undefined
  if (keep === 'all') return content
  if (keep === undefined || !isObject(content)) return {}
  const kept: [string, JsonValue][] = []
  for (const key of Object.keys(content)) {
    const value = content[key] as JsonValue
    if (keep.has(key)) kept.push([key, value])
    else if (key === 'third_party_invite' && type === 'm.room.member' && version.redaction.memberThirdPartySigned) {
      if (isObject(value)) kept.push([key, signedPart(value)])
    }
  }
  return Object.fromEntries(kept)
}

/** What room version 11 keeps of `third_party_invite`: its `signed` key, and the empty object when that is missing. */
function signedPart(invite: JsonObject): JsonObject {
  const signed = own(invite, 'signed')
  return signed === undefined ? {} : { signed }
}
