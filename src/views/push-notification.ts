import type { App } from '../app.ts'
import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import type { RoomOfUser } from '../store/memberships.ts'
import type { PusherRow } from '../store/pushers.ts'
import { currentContent } from '../store/state.ts'
import { type Push, strippedStateOf } from './pushes.ts'

/** Gateways send it on to phones, which take some kilobytes. */
const CONTENT_LENGTH_MAX = 2_048

/**
 * The notification of an event, as a push gateway takes it (Push Gateway API, `/notify`); without an event the number
 * of unread messages alone.
 */
export async function pushNotification(
  app: App,
  pusher: PusherRow,
  unread: number,
  push: Push | undefined,
): Promise<JsonObject> {
  const { url: _url, ...data } = gatewayDataOf(pusher)
  const device = {
    app_id: pusher.app_id,
    pushkey: pusher.pushkey,
    pushkey_ts: Math.floor(pusher.created_ts / 1_000),
    data,
  }
  // Not left out when it is zero: a gateway takes a missing count for an unchanged one, and the badge would stay.
  const counts = { unread }
  if (push === undefined) return { counts, devices: [device] }
  const { event, room, tweaks } = push
  const devices = [{ ...device, tweaks }]
  const named = { event_id: event.event_id, room_id: room.room_id, counts, prio: priorityOf(push) }
  if (data.format === 'event_id_only') return { ...named, devices }
  const content = parseJson(event.content)
  return {
    ...named,
    ...olderNames(push),
    type: event.type,
    sender: event.sender,
    ...(await namesOf(app, room, event.sender)),
    ...(event.type === 'm.room.member' ? { user_is_target: event.state_key === pusher.user_id } : {}),
    ...(event.content.length <= CONTENT_LENGTH_MAX && isObject(content) ? { content } : {}),
    devices,
  }
}

/** What gateways and clients read before it was specified. */
function olderNames({ event }: Push): JsonObject {
  const content = parseJson(event.content)
  const membership = event.type === 'm.room.member' && isObject(content) ? own(content, 'membership') : undefined
  return { id: event.event_id, ...textAs('membership', membership) }
}

/** What the client gave for the gateway, with its `url`. */
export function gatewayDataOf(pusher: PusherRow): JsonObject {
  const given = own(parseJson(pusher.data) as JsonObject, 'data')
  return given !== undefined && isObject(given) ? given : {}
}

/** Without a sound or a mention nobody has to be woken. */
function priorityOf({ highlight, tweaks, event }: Push): string {
  return highlight || own(tweaks, 'sound') !== undefined || event.type === 'm.room.encrypted' ? 'high' : 'low'
}

/** What the sender and the room are called, as far as they have names: `sender_display_name`, `room_name`. */
export async function namesOf(app: App, room: RoomOfUser, sender: string): Promise<JsonObject> {
  const contentOf = async (type: string, stateKey: string): Promise<JsonObject> => {
    const known = await currentContent(app.db, room.room_id, type, stateKey)
    if (known !== undefined || room.membership !== 'invite') return known ?? {}
    const told = strippedStateOf(room).find((entry) => entry.type === type && entry.state_key === stateKey)
    return told !== undefined && isObject(told.content) ? told.content : {}
  }
  const alias = own(await contentOf('m.room.canonical_alias', ''), 'alias')
  return {
    ...textAs('sender_display_name', own(await contentOf('m.room.member', sender), 'displayname')),
    ...textAs('room_alias', alias),
    // A room without a name is called by its alias, as clients do.
    ...textAs('room_name', alias),
    ...textAs('room_name', own(await contentOf('m.room.name', ''), 'name')),
  }
}

function textAs(key: string, value: unknown): JsonObject {
  return typeof value === 'string' && value !== '' ? { [key]: value } : {}
}
