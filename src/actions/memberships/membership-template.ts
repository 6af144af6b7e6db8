import type { App } from '../../app.ts'
import { buildEvent, type Event } from '../../core/event.ts'
import { AUTH_EVENTS_MAX, PREV_EVENTS_MAX } from '../../core/event-format.ts'
import { type EventId, isEventId, type RoomId, type ServerName, type UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { ROOM_VERSIONS, type RoomVersion, roomVersion } from '../../core/room-version.ts'
import { askServer } from '../../remote/ask-server.ts'

/** Who is to become what in which room. */
export interface MemberWish {
  readonly roomId: RoomId
  readonly userId: UserId
  readonly membership: 'join' | 'leave' | 'knock'
}

/** What a server offers as the frame of a member event. Only these parts of it are ever signed by us. */
export interface Template {
  readonly version: RoomVersion
  readonly content: JsonObject
  readonly depth: number
  readonly prevEvents: readonly Reference[]
  readonly authEvents: readonly Reference[]
}

/** An event, in room versions 1 and 2 with its reference hash. */
type Reference = readonly [id: EventId, sha256: string | undefined]

/**
 * Asks for a template (`make_join`, `make_knock`, `make_leave`). Errors: Refused, Unreachable,
 * M_UNSUPPORTED_ROOM_VERSION, M_BAD_JSON.
 */
export async function membershipTemplate(app: App, server: ServerName, wish: MemberWish): Promise<Template> {
  const { membership, roomId, userId } = wish
  const versions = membership === 'leave' ? '' : `?${[...ROOM_VERSIONS.keys()].map((id) => `ver=${id}`).join('&')}`
  const path = [`make_${membership}`, roomId, userId].map(encodeURIComponent).join('/')
  const answer = await askServer(app, server, { method: 'GET', uri: `/_matrix/federation/v1/${path}${versions}` })
  const event = own(answer, 'event')
  if (!isObject(event)) throw new MatrixError('M_BAD_JSON', `${server} answers without a template.`)
  const named = own(answer, 'room_version') ?? assumedVersion(event)
  const version = typeof named === 'string' ? roomVersion(named) : undefined
  if (version === undefined)
    throw new MatrixError('M_UNSUPPORTED_ROOM_VERSION', `The room has a version that is not known: ${String(named)}`)
  const depth = own(event, 'depth')
  const content = own(event, 'content')
  return {
    version,
    content: isObject(content) ? content : {},
    depth: typeof depth === 'number' && depth >= 0 ? Math.floor(depth) : 1,
    prevEvents: referencesIn(own(event, 'prev_events'), PREV_EVENTS_MAX),
    authEvents: referencesIn(own(event, 'auth_events'), AUTH_EVENTS_MAX),
  }
}

/** Our own member event in the frame of a template, built from what we wanted: nothing else is signed. */
export function builtFrom(app: App, template: Template, wish: MemberWish, content: JsonObject): Event {
  const { depth, prevEvents, authEvents } = template
  const draft = {
    roomId: wish.roomId,
    type: 'm.room.member',
    stateKey: wish.userId,
    sender: wish.userId,
    content: { ...content, membership: wish.membership },
    originServerTs: app.clock.now(),
    depth,
    prevEvents: prevEvents.map(([id]) => id),
    authEvents: authEvents.map(([id]) => id),
    referenceHashes: new Map(
      [...prevEvents, ...authEvents].flatMap(([id, sha256]) => (sha256 === undefined ? [] : [[id, sha256] as const])),
    ),
  }
  return buildEvent(template.version, draft, app.serverName, app.key)
}

/** Who names no version means the first one, as long as the events are named as it does. */
function assumedVersion(event: JsonObject): string {
  const references = own(event, 'prev_events')
  return Array.isArray(references) && references.some((item) => typeof item === 'string') ? '3' : '1'
}

function referencesIn(value: JsonValue | undefined, max: number): Reference[] {
  const list = Array.isArray(value) ? (value as readonly JsonValue[]).slice(0, max) : []
  return list.flatMap((item): Reference[] => {
    const [id, hashes] = Array.isArray(item) ? (item as readonly JsonValue[]) : [item]
    const sha256 = isObject(hashes) ? own(hashes, 'sha256') : undefined
    const isReference = typeof id === 'string' && isEventId(id)
    return isReference ? [[id, typeof sha256 === 'string' ? sha256 : undefined]] : []
  })
}
