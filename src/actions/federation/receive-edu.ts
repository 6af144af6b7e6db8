import type { App } from '../../app.ts'
import { isEventId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { eventsById } from '../../store/events.ts'
import { membershipOf } from '../../store/memberships.ts'
import type { PresenceRow } from '../../store/presence.ts'
import { roomById } from '../../store/rooms.ts'
import { serverAclOf } from '../../store/server-acl.ts'
import { noteTyping } from '../ephemeral/note-typing.ts'
import { notePresence } from '../ephemeral/set-presence.ts'
import { setReceipts } from '../ephemeral/set-receipts.ts'
import { receiveDeviceListUpdate, receiveSigningKeyUpdate } from '../keys/receive-device-lists.ts'
import { receiveToDevice } from '../keys/send-to-device.ts'

type Receive = (app: App, origin: ServerName, content: JsonObject) => Promise<void>

/** What to do with an EDU, by its type. Every user whom it speaks for has to be of the server that sends it. */
const RECEIVERS: ReadonlyMap<string, Receive> = new Map([
  ['m.typing', receiveTyping],
  ['m.receipt', receiveReceipts],
  ['m.presence', receivePresence],
  ['m.direct_to_device', receiveToDeviceMessages],
  ['m.device_list_update', receiveDeviceListUpdate],
  ['m.signing_key_update', receiveSigningKeyUpdate],
])

/** What another one makes up for, or nobody misses for long; the rest may not be lost once its sender was answered. */
const PASSING: ReadonlySet<unknown> = new Set(['m.typing', 'm.receipt', 'm.presence'])

export function isLasting(edu: JsonValue): boolean {
  return isObject(edu) && !PASSING.has(own(edu, 'edu_type'))
}

/** Users, or receipts, in one EDU that are looked at. */
const ENTRIES_MAX = 1_000
/** Of the id of a message, which is kept for long. */
const ID_LENGTH_MAX = 255
/** How long a user of another server is shown as typing. */
const TYPING_MS = 30_000

/** Takes in one EDU (Server-Server API, "EDUs"). Those of unknown type, or malformed, change nothing. */
export async function receiveEdu(app: App, origin: ServerName, edu: JsonValue): Promise<void> {
  if (!isObject(edu)) return
  const type = own(edu, 'edu_type')
  const content = own(edu, 'content')
  const receive = typeof type === 'string' ? RECEIVERS.get(type) : undefined
  if (receive !== undefined && isObject(content)) await receive(app, origin, content)
}

async function receiveTyping(app: App, origin: ServerName, content: JsonObject): Promise<void> {
  const userId = own(content, 'user_id')
  const room = await roomOfMember(app, origin, userId, own(content, 'room_id'))
  if (room !== undefined) noteTyping(app, room, userId as string, own(content, 'typing') === true ? TYPING_MS : 0)
}

async function receiveReceipts(app: App, origin: ServerName, content: JsonObject): Promise<void> {
  let looks = 0
  for (const [roomId, kinds] of Object.entries(content)) {
    for (const [userId, receipt] of entriesOf(isObject(kinds) ? own(kinds, 'm.read') : undefined)) {
      if (++looks > ENTRIES_MAX) return
      const room = await roomOfMember(app, origin, userId, roomId)
      const ids = isObject(receipt) ? own(receipt, 'event_ids') : undefined
      const data = isObject(receipt) ? own(receipt, 'data') : undefined
      const thread = isObject(data) ? own(data, 'thread_id') : undefined
      const last = Array.isArray(ids) ? (ids as readonly JsonValue[]).at(-1) : undefined
      if (room === undefined || typeof last !== 'string' || !isEventId(last)) continue
      const [read] = await eventsById(app.db, [last], app.db.safePosition())
      if (read === undefined || read.room !== room) continue
      const wish = { type: 'm.read', read, thread: typeof thread === 'string' ? thread : undefined } as const
      await setReceipts(app, userId, room, [wish]).catch((error: unknown) => {
        // The others of the same EDU are told by nobody else.
        if (!(error instanceof MatrixError)) throw error
        app.log.info({ origin, user: userId, reason: error.message }, 'a receipt was passed over')
      })
    }
  }
}

async function receivePresence(app: App, origin: ServerName, content: JsonObject): Promise<void> {
  const push = own(content, 'push')
  const rows: PresenceRow[] = []
  for (const entry of Array.isArray(push) ? (push as readonly JsonValue[]).slice(0, ENTRIES_MAX) : []) {
    const userId = isObject(entry) ? own(entry, 'user_id') : undefined
    if (!isObject(entry) || typeof userId !== 'string' || serverNameOf(userId) !== origin) continue
    const presence = own(entry, 'presence')
    const status = own(entry, 'status_msg')
    const ago = own(entry, 'last_active_ago')
    if (presence !== 'online' && presence !== 'unavailable' && presence !== 'offline') continue
    rows.push({
      user_id: userId,
      presence,
      status_msg: typeof status === 'string' ? status : null,
      last_active_ts: Math.max(app.clock.now() - (typeof ago === 'number' && ago > 0 ? Math.round(ago) : 0), 0),
    })
  }
  await notePresence(app, rows)
}

async function receiveToDeviceMessages(app: App, origin: ServerName, content: JsonObject): Promise<void> {
  const sender = own(content, 'sender')
  const type = own(content, 'type')
  const messageId = own(content, 'message_id')
  const messages = own(content, 'messages')
  if (typeof sender !== 'string' || serverNameOf(sender) !== origin || !isObject(messages)) return
  if (typeof type !== 'string' || typeof messageId !== 'string' || messageId.length > ID_LENGTH_MAX) return
  await receiveToDevice(app, { origin, messageId, sender, type, messages })
}

/** The room, if the user is of the server and joined to it, and the room open to the server. */
async function roomOfMember(
  app: App,
  origin: ServerName,
  userId: JsonValue | undefined,
  roomId: JsonValue | undefined,
): Promise<number | undefined> {
  if (typeof userId !== 'string' || typeof roomId !== 'string' || serverNameOf(userId) !== origin) return undefined
  const room = await roomById(app.db, roomId)
  if (room === undefined || !(await serverAclOf(app.db, room.room))(origin)) return undefined
  const member = await membershipOf(app.db, room.room, userId)
  return member?.membership === 'join' ? room.room : undefined
}

function entriesOf(value: JsonValue | undefined): readonly [string, JsonValue][] {
  return isObject(value) ? Object.entries(value) : []
}
