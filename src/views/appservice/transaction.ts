import type { App } from '../../app.ts'
import type { Appservice } from '../../live/appservices.ts'
import { type AddressedMessage, messagesAt, newestOfEachRoom, roomNames } from '../../store/appservice-news.ts'
import { eventsById } from '../../store/events.ts'
import { logRows, type StoredLogRow } from '../../store/log.ts'
import { keptEvents } from '../expired.ts'
import { toDeviceText } from '../sync/to-device.ts'
import { idleRedactions } from '../visible-events.ts'
import { encryptionNews } from './encryption.ts'
import { ephemeralEvents } from './ephemeral.ts'
import { appserviceEvents, outsideEvent, type PlacedEvent } from './events.ts'
import { createInterest, type Interest, type KnownRoom, knownRooms } from './interest.ts'

/** Rows of the log read at once. */
const LOG_ROWS = 500
/** Events and messages to devices in one transaction, and what they may hold together. */
const ITEMS_MAX = 100
const BYTES_MAX = 1_048_576

/** Reads the log on for one application service. */
export interface Reader {
  readonly appservice: Appservice
  interest: Interest
  /** The changes of typing lists that it knows. */
  typingSerial: number
  /** Up to this position the log has no more what it was not told; undefined: it has all of that. */
  hole: number | undefined
}

export function readerFor(app: App, appservice: Appservice): Reader {
  // Who types now it is told with the next change: nobody is told twice after a restart.
  const { serial } = app.live.typing.changesSince(Number.MAX_SAFE_INTEGER)
  return { appservice, interest: createInterest(app, appservice), typingSerial: serial, hole: undefined }
}

export interface Stretch {
  /** The body of a transaction; undefined: nothing in the stretch concerns the application service. */
  readonly body: string | undefined
  /** Positions of the messages to devices in it. */
  readonly messages: readonly number[]
  /** The log was read up to here. */
  readonly position: number
  /** Rows that were pruned before they were read, when it is first seen. */
  readonly missed: number
}

/**
 * The next stretch of the log after the position, as a transaction (Application Service API, "Pushing events"). Of what
 * the log has no more it is the newest event of each room.
 */
export async function nextStretch(app: App, reader: Reader, since: number): Promise<Stretch> {
  const newest = app.db.safePosition()
  const { rows, to, missed } = await rowsAfter(app, reader, since, newest)
  const news = await newsIn(app, reader, rows)
  const cut = news.cutAt === undefined ? rows : rows.filter(({ position }) => position <= news.cutAt!)
  const position = news.cutAt ?? (rows.length === LOG_ROWS ? rows.at(-1)!.position : to)
  const stretch = { rows: cut, rooms: news.rooms, since, to: position, caughtUp: position === newest }
  const { appservice } = reader
  const ephemeral = appservice.receiveEphemeral ? await ephemeralEvents(app, reader, stretch) : []
  const encryption = appservice.encryption ? await encryptionNews(app, reader, stretch) : []
  const parts = [`"events":[${news.events.join(',')}]`, ...encryption]
  // The second name is that of before version 1.13 of the specification, which many bridges read alone.
  if (ephemeral.length > 0)
    for (const name of ['ephemeral', 'de.sorunome.msc2409.ephemeral']) parts.push(`"${name}":[${ephemeral.join(',')}]`)
  if (news.messages.length > 0)
    parts.push(`"de.sorunome.msc2409.to_device":[${news.messages.map(messageText).join(',')}]`)
  const isEmpty = news.events.length === 0 && parts.length === 1
  return {
    body: isEmpty ? undefined : `{${parts.join(',')}}`,
    messages: news.messages.map((message) => message.position),
    position,
    missed,
  }
}

async function rowsAfter(
  app: App,
  reader: Reader,
  since: number,
  newest: number,
): Promise<Pick<Stretch, 'missed'> & { readonly rows: readonly StoredLogRow[]; readonly to: number }> {
  const rows = await logRows(app.db, since, newest, LOG_ROWS)
  // The log has no other holes. Who is in which room is looked up afresh from there.
  const hole = (rows[0]?.position ?? newest + 1) - 1
  if (hole <= since) return { rows, to: newest, missed: 0 }
  const missed = reader.hole === hole ? 0 : hole - since
  reader.hole = hole
  reader.interest = createInterest(app, reader.appservice)
  return { rows: await newestOfEachRoom(app.db, since, hole, LOG_ROWS), to: hole, missed }
}

function messageText(message: AddressedMessage): string {
  const address = JSON.stringify({ to_user_id: message.user_id, to_device_id: message.device_id })
  return `${toDeviceText(message).slice(0, -1)},${address.slice(1)}`
}

interface News {
  readonly events: readonly string[]
  readonly messages: readonly AddressedMessage[]
  readonly rooms: ReadonlyMap<number, KnownRoom>
  /** The transaction is full after this position. */
  readonly cutAt: number | undefined
}

/** Events and messages to devices, as many as one transaction takes. */
async function newsIn(app: App, reader: Reader, rows: readonly StoredLogRow[]): Promise<News> {
  const numbers = new Set(rows.flatMap(({ room }) => room ?? []))
  const rooms = knownRooms(numbers.size === 0 ? [] : await roomNames(app.db, [...numbers]))
  const events = await candidates(app, reader, rows, rooms)
  const addressed = await messagesIn(app, reader, rows)
  const found: (PlacedEvent | string)[] = []
  const messages: AddressedMessage[] = []
  let bytes = 0
  for (const row of rows) {
    const room = rooms.get(row.room ?? -1)
    const event = row.kind === 'event' ? events.get(row.subject ?? '') : undefined
    const message = addressed.get(row.position)
    if (room !== undefined && event !== undefined && (await reader.interest.ofEvent(event, room))) {
      found.push({ event, room, invites: row.user_id !== null && reader.appservice.hasUser(row.user_id) })
      bytes += event.content.length
    }
    if (room !== undefined && row.kind === 'membership') found.push(...(await membershipNews(app, reader, row, room)))
    if (message !== undefined) {
      messages.push(message)
      bytes += message.content.length
    }
    if (found.length + messages.length >= ITEMS_MAX || bytes >= BYTES_MAX)
      return { events: await textsOf(app, found), messages, rooms, cutAt: row.position }
  }
  return { events: await textsOf(app, found), messages, rooms, cutAt: undefined }
}

/** Events of rooms that may concern the application service, by id. Refused ones and idle redactions nobody is told. */
async function candidates(
  app: App,
  { appservice, interest }: Reader,
  rows: readonly StoredLogRow[],
  rooms: ReadonlyMap<number, KnownRoom>,
) {
  const happened = rows.filter((row) => row.kind === 'event' && row.subject !== null)
  const concerned = new Set<number | null>()
  for (const { room: number, user_id: userId, position } of happened) {
    const room = rooms.get(number ?? -1)
    if (room === undefined || concerned.has(number)) continue
    const isTarget = userId !== null && appservice.hasUser(userId)
    if (isTarget || (await interest.mayConcern(room, position))) concerned.add(number)
  }
  const ids = happened.filter(({ room }) => concerned.has(room)).map((row) => row.subject ?? '')
  const events = ids.length === 0 ? [] : await keptEvents(app, await eventsById(app.db, ids, app.db.safePosition()))
  const idle = await idleRedactions(app, events)
  return new Map(events.filter((event) => !idle.has(event)).map((event) => [event.event_id as string, event]))
}

async function messagesIn(
  app: App,
  { appservice }: Reader,
  rows: readonly StoredLogRow[],
): Promise<ReadonlyMap<number, AddressedMessage>> {
  if (!appservice.receiveEphemeral) return new Map()
  const arrived = rows.filter(({ kind, user_id: userId }) => kind === 'to_device' && appservice.hasUser(userId ?? ''))
  const positions = arrived.slice(0, ITEMS_MAX).map(({ position }) => position)
  const messages = positions.length === 0 ? [] : await messagesAt(app.db, positions)
  return new Map(messages.map((message) => [message.position, message]))
}

/** Without an event of the room: another server tells of a room that we are not in, or state resolution decides. */
async function membershipNews(
  app: App,
  { appservice, interest }: Reader,
  { user_id: userId, subject, position }: StoredLogRow,
  room: KnownRoom,
): Promise<string[]> {
  if (userId === null || !appservice.hasUser(userId)) return []
  interest.forget(room.room)
  const text = await outsideEvent(app, room, { userId, eventId: subject ?? '', position })
  return text === undefined ? [] : [text]
}

async function textsOf(app: App, found: readonly (PlacedEvent | string)[]): Promise<string[]> {
  const placed = found.filter((one) => typeof one !== 'string')
  const texts = new Map<PlacedEvent | string, string>()
  for (const [index, text] of (await appserviceEvents(app, placed)).entries()) texts.set(placed[index]!, text)
  return found.map((one) => (typeof one === 'string' ? one : texts.get(one)!))
}
