import type { App } from '../app.ts'
import type { UserId } from '../core/ids.ts'
import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import type { RoomOfUser } from '../store/memberships.ts'
import { namesOf } from './push-notification.ts'
import { type Push, placeIn, pushesSince } from './pushes.ts'

/** Stretches of the log that are read for one digest: what comes after them is for the next one. */
const STRETCHES_MAX = 100
/** Of a room, the newest. */
const MESSAGES_SHOWN = 5
const ROOMS_SHOWN = 20
const TEXT_LENGTH_MAX = 200
const NAME_LENGTH_MAX = 80
/** Of a text, before anything is done with it. */
const TEXT_LENGTH_READ = 2_000

/** What notified a user: no more of it than is shown, as there may be thousands. */
export interface Notice {
  readonly position: number
  readonly place: string
  readonly room: RoomOfUser
  readonly eventId: string
  readonly sender: string
  readonly text: string
}

/** What of a stretch of the log a user has not read. */
export interface Unread {
  /** By room, oldest first. */
  readonly rooms: ReadonlyMap<number, readonly Notice[]>
  /** Rooms in which the user has read or written. */
  readonly seen: ReadonlySet<number>
  /** The log was read up to here. */
  readonly position: number
}

/** Reads the log on from `since` for what notified the user and is unread, by the rules and receipts of now. */
export async function unreadSince(app: App, userId: UserId, since: number): Promise<Unread> {
  const to = app.db.safePosition()
  const seen = new Set<number>()
  let notices: Notice[] = []
  let position = since
  for (let stretch = 0; stretch < STRETCHES_MAX && position < to; stretch++) {
    const next = await pushesSince(app, userId, position)
    const { written, pushes } = next
    for (const [room, { read }] of next.touched) if (read) seen.add(room)
    for (const place of written.keys()) seen.add(Number.parseInt(place, 10))
    notices = [...notices.filter(({ place }) => !written.has(place)), ...pushes.map(noticeOf)]
    position = next.position
    // Others have their turn.
    if (position < to) await app.timers.sleep(0)
  }
  const rooms = new Map<number, Notice[]>()
  for (const notice of notices) {
    const ofRoom = rooms.get(notice.room.room)
    if (ofRoom === undefined) rooms.set(notice.room.room, [notice])
    else ofRoom.push(notice)
  }
  return { rooms, seen, position }
}

function noticeOf(push: Push): Notice {
  const { position, event, room } = push
  const place = placeIn(room.room, event.thread_root)
  return { position, place, room, eventId: event.event_id, sender: event.sender, text: textOf(push) }
}

/** What `templates/mail/digest` shows. Texts of users have one line, and an end. */
export interface Digest {
  readonly rooms: readonly {
    readonly name: string
    readonly link: string
    readonly messages: readonly { readonly sender: string; readonly text: string }[]
    /** Notifications before those. */
    readonly earlier: number
  }[]
  readonly count: number
  /** Rooms that are not shown. */
  readonly moreRooms: number
}

/** The rooms with the newest first. */
export async function digestOf(app: App, unread: Unread): Promise<Digest> {
  const rooms = [...unread.rooms.values()].sort((one, other) => lastOf(other).position - lastOf(one).position)
  const shown: Digest['rooms'][number][] = []
  for (const notices of rooms.slice(0, ROOMS_SHOWN)) {
    const messages: Digest['rooms'][number]['messages'][number][] = []
    let name = ''
    for (const notice of notices.slice(-MESSAGES_SHOWN)) {
      const names = await namesOf(app, notice.room, notice.sender)
      const sender = oneLine(names.sender_display_name, NAME_LENGTH_MAX) || notice.sender
      name = oneLine(names.room_name, NAME_LENGTH_MAX) || sender
      messages.push({ sender, text: notice.text })
    }
    shown.push({ name, link: linkTo(app, lastOf(notices)), messages, earlier: notices.length - messages.length })
  }
  const count = rooms.reduce((sum, notices) => sum + notices.length, 0)
  return { rooms: shown, count, moreRooms: rooms.length - shown.length }
}

function lastOf(notices: readonly Notice[]): Notice {
  return notices.at(-1)!
}

/** Whoever reads the mail has no key to what is encrypted, and neither have we. */
function textOf({ event, room }: Push): string {
  if (room.membership === 'invite') return 'invites you'
  if (event.type === 'm.room.encrypted') return 'encrypted message'
  const content = parseJson(event.content)
  const body = isObject(content) ? oneLine(bodyOf(content), TEXT_LENGTH_MAX) : ''
  const type = isObject(content) ? own(content, 'msgtype') : undefined
  const kind = typeof type === 'string' ? FILES.get(type) : undefined
  if (kind !== undefined) return body === '' ? kind : `${kind}: ${body}`
  if (body !== '') return type === 'm.emote' ? `* ${body}` : body
  return event.type === 'm.room.message' ? 'message without text' : 'something that a mail cannot show'
}

/** Without the message that an old client quotes above its reply. */
function bodyOf(content: JsonObject): unknown {
  const body = own(content, 'body')
  const relation = own(content, 'm.relates_to')
  if (typeof body !== 'string' || !isObject(relation) || own(relation, 'm.in_reply_to') === undefined) return body
  const lines = body.split('\n')
  const reply = lines.findIndex((line) => !line.startsWith('>'))
  return reply < 0 ? body : lines.slice(reply).join('\n')
}

const FILES: ReadonlyMap<string, string> = new Map([
  ['m.image', 'picture'],
  ['m.video', 'video'],
  ['m.audio', 'sound'],
  ['m.file', 'file'],
])

/** Without what turns the direction of the text around, which would make others' words of it. */
function oneLine(text: unknown, lengthMax: number): string {
  if (typeof text !== 'string') return ''
  const line = text
    .slice(0, TEXT_LENGTH_READ)
    .replace(/[\u202a-\u202e\u2066-\u2069]/gu, '')
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
  const characters = [...line]
  return characters.length <= lengthMax ? line : `${characters.slice(0, lengthMax).join('').trimEnd()}…`
}

/** Where the event is shown: an address of rooms at which `client_api.email.room_links` begins. */
function linkTo(app: App, { eventId, room }: Notice): string {
  const path = [room.room_id, ...(room.membership === 'invite' ? [] : [eventId])].map(encodeURIComponent)
  return `${app.config.client_api.email.room_links}${path.join('/')}?via=${encodeURIComponent(app.serverName)}`
}
