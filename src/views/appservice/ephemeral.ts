import type { App } from '../../app.ts'
import { receiptsBetween, roomNames } from '../../store/appservice-news.ts'
import type { StoredLogRow } from '../../store/log.ts'
import { presenceOf, roomsOfUsers } from '../../store/presence.ts'
import type { ReceiptRow } from '../../store/receipts.ts'
import { shownPresence } from '../presence.ts'
import { receiptEvents } from '../receipt-events.ts'
import { type KnownRoom, knownRooms } from './interest.ts'
import type { Reader } from './transaction.ts'

/** A stretch of the log: positions in (since, to]. */
export interface LogStretch {
  readonly rows: readonly StoredLogRow[]
  /** The rooms of the rows. */
  readonly rooms: ReadonlyMap<number, KnownRoom>
  readonly since: number
  readonly to: number
  /** Nothing is known that comes after it. */
  readonly caughtUp: boolean
}

/** Typing, receipts and presence as JSON texts (Application Service API, "Pushing ephemeral data"). */
export async function ephemeralEvents(app: App, reader: Reader, stretch: LogStretch): Promise<string[]> {
  return [
    ...(await receipts(app, reader, stretch)),
    ...(await presenceEvents(app, reader, stretch)),
    // Who types is of no use to whoever is behind.
    ...(stretch.caughtUp ? await typingEvents(app, reader, stretch.to) : []),
  ]
}

async function receipts(app: App, { appservice, interest }: Reader, stretch: LogStretch): Promise<string[]> {
  const read = new Set(stretch.rows.filter((row) => row.kind === 'receipt').map(({ room }) => room ?? -1))
  const concerned: KnownRoom[] = []
  for (const number of read) {
    const room = stretch.rooms.get(number)
    if (room !== undefined && (await interest.mayConcern(room, stretch.to + 1))) concerned.push(room)
  }
  if (concerned.length === 0) return []
  const numbers = concerned.map(({ room }) => room)
  const rows = await receiptsBetween(app.db, numbers, stretch.since, stretch.to)
  const shown = (row: ReceiptRow) => row.receipt_type === 'm.read' || appservice.hasUser(row.user_id)
  return concerned.flatMap(({ room, roomId }) =>
    receiptEvents(
      rows.filter((row) => row.room === room && shown(row)),
      roomId,
    ),
  )
}

async function presenceEvents(app: App, reader: Reader, { rows, to }: LogStretch): Promise<string[]> {
  if (!app.config.global.presence.enable_outbound) return []
  const changed = new Set(rows.filter((row) => row.kind === 'presence').map(({ subject }) => subject ?? ''))
  const texts: string[] = []
  for (const sender of await known(app, reader, [...changed], to)) {
    const row = await presenceOf(app.db, sender)
    if (row !== undefined) texts.push(JSON.stringify({ type: 'm.presence', sender, content: shownPresence(app, row) }))
  }
  return texts
}

/** Those of the users who are of the application service, or in a room with one of its users. */
export async function known(
  app: App,
  { appservice, interest }: Reader,
  userIds: readonly string[],
  position: number,
): Promise<string[]> {
  const found = new Set(userIds.filter((userId) => appservice.hasUser(userId)))
  const others = userIds.filter((userId) => !found.has(userId))
  for (const { user_id: userId, room } of others.length === 0 ? [] : await roomsOfUsers(app.db, others))
    if (!found.has(userId) && (await interest.isIn(room, position))) found.add(userId)
  return [...found]
}

async function typingEvents(app: App, reader: Reader, position: number): Promise<string[]> {
  const { serial, lists } = app.live.typing.changesSince(reader.typingSerial)
  reader.typingSerial = serial
  const rooms = knownRooms(lists.size === 0 ? [] : await roomNames(app.db, [...lists.keys()]))
  const texts: string[] = []
  for (const [number, userIds] of lists) {
    const room = rooms.get(number)
    if (room !== undefined && (await reader.interest.mayConcern(room, position + 1)))
      texts.push(JSON.stringify({ type: 'm.typing', room_id: room.roomId, content: { user_ids: userIds } }))
  }
  return texts
}
