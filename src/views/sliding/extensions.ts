import { canonicalJson } from '../../core/json.ts'
import { pushRulesContent } from '../../core/push-rules.ts'
import { MEMBERS_KNOWN } from '../../live/room-members.ts'
import { globalAccountDataSince, roomAccountDataSince } from '../../store/account-data.ts'
import { type ReceiptRow, receiptsSince } from '../../store/receipts.ts'
import { waitingToDevice } from '../../store/to-device.ts'
import { accountDataText } from '../account-data-text.ts'
import { deviceListsSince } from '../device-lists.ts'
import { receiptEvents } from '../receipt-events.ts'
import { readKeyCounts } from '../sync/devices.ts'
import { toDeviceText } from '../sync/to-device.ts'
import type { Chosen, ChosenRoom } from './choose.ts'
import { type ExtensionWish, happened, type Span } from './request.ts'
import type { ToldRoom } from './rooms.ts'

/** The extensions of the answer: JSON texts by name, and whether one of them has something new. */
export interface Extensions {
  readonly texts: ReadonlyMap<string, string>
  readonly news: boolean
}

interface Part {
  readonly json: string
  readonly news: boolean
}

/** What is wanted beside rooms (MSC4186, "Extensions"): each that has been asked for. */
export async function readExtensions(
  span: Span,
  chosen: Chosen,
  told: ReadonlyMap<string, ToldRoom>,
): Promise<Extensions> {
  const { toDevice, e2ee, accountData, receipts, typing } = span.request.extensions
  const parts = new Map<string, Part>()
  if (toDevice !== undefined) parts.set('to_device', await readToDevice(span, toDevice))
  if (e2ee) parts.set('e2ee', await readEncryption(span))
  const roomsOf = (wish: ExtensionWish) => [...chosen.rooms.values()].filter((room) => isMeant(wish, room))
  if (accountData !== undefined) parts.set('account_data', await readAccountData(span, roomsOf(accountData)))
  if (receipts !== undefined) parts.set('receipts', await readReceipts(span, roomsOf(receipts), told))
  if (typing !== undefined) parts.set('typing', readTyping(span, roomsOf(typing)))
  return {
    texts: new Map([...parts].map(([name, { json }]) => [name, json])),
    news: [...parts.values()].some((part) => part.news),
  }
}

const EVERYTHING = '*'

function isMeant({ lists, rooms }: ExtensionWish, chosen: ChosenRoom): boolean {
  const inList = chosen.lists.some((name) => lists?.includes(name) ?? true)
  const all = lists?.includes(EVERYTHING) === true && chosen.lists.length > 0
  const named = rooms?.includes(EVERYTHING) === true || (rooms?.includes(chosen.room.room_id) ?? true)
  return inList || all || (chosen.subscribed && named)
}

async function readToDevice({ app, request, to }: Span, wish: { since: number; limit: number }): Promise<Part> {
  const rows = await waitingToDevice(app.db, request.viewer, wish.since, to, wish.limit + 1)
  const shown = rows.slice(0, wish.limit)
  const reached = rows.length > wish.limit ? (shown.at(-1)?.position ?? wish.since) : to
  return {
    json: `{"next_batch":"${reached}","events":[${shown.map(toDeviceText).join(',')}]}`,
    news: shown.length > 0,
  }
}

async function readEncryption(span: Span): Promise<Part> {
  const { app, request, base, to } = span
  const counts = await readKeyCounts(app, request.viewer)
  const keysMoved = base !== undefined && happened(span, null, 'one_time_keys')
  if (base === undefined) return { json: `{${counts}}`, news: false }
  const moves = ['member', 'membership', MEMBERS_KNOWN]
  const changes = happened(span, null, 'device_list')
  const moved = (room: number) => happened(span, room, ...moves)
  const anywhere = span.news === undefined || [...span.news.keys()].some((room) => room !== null && moved(room))
  if (!changes && !anywhere) return { json: `{${counts}}`, news: keysMoved }
  const completed = (room: number) => happened(span, room, MEMBERS_KNOWN)
  const hints = { changes, moved: anywhere ? moved : undefined, completed }
  const lists = await deviceListsSince(app, request.viewer.userId, { since: base.position, to }, hints)
  const news = lists.changed.length + lists.left.length > 0
  return { json: news ? `{"device_lists":${JSON.stringify(lists)},${counts}}` : `{${counts}}`, news: news || keysMoved }
}

async function readAccountData(span: Span, rooms: readonly ChosenRoom[]): Promise<Part> {
  const { app, request, base } = span
  const { userId } = request.viewer
  const since = base?.position ?? 0
  const isNew = (row: { position: number }) => row.position > since && row.position <= span.to
  const changed = happened(span, null, 'account_data') ? await globalAccountDataSince(app.db, userId, since) : []
  const global = changed
    .filter(isNew)
    .map((row) => (row.type === 'm.push_rules' ? pushRules(span) : accountDataText(row)))
  // Who never changed a rule has stored none.
  if (base === undefined && !changed.some((row) => row.type === 'm.push_rules')) global.push(pushRules(span))
  const fresh = new Set(rooms.flatMap(({ room }) => (base?.rooms.has(room.room) ? [] : room.room_id)))
  const touched = rooms.some(({ room }) => happened(span, room.room, 'account_data'))
  const rows =
    fresh.size === 0 && !touched ? [] : await roomAccountDataSince(app.db, userId, fresh.size > 0 ? 0 : since)
  const known = new Set(rooms.map(({ room }) => room.room_id))
  const byRoom = new Map<string, string[]>()
  for (const row of rows) {
    if (!fresh.has(row.room_id) && !(known.has(row.room_id) && isNew(row))) continue
    byRoom.set(row.room_id, [...(byRoom.get(row.room_id) ?? []), accountDataText(row)])
  }
  const ofRooms = [...byRoom].map(([roomId, texts]) => `${JSON.stringify(roomId)}:[${texts.join(',')}]`)
  return {
    json: `{"global":[${global.join(',')}],"rooms":{${ofRooms.join(',')}}}`,
    news: global.length > 0 || ofRooms.length > 0,
  }
}

function pushRules({ settings }: Span): string {
  return accountDataText({ type: 'm.push_rules', content: canonicalJson(pushRulesContent(settings.pushRules)) })
}

/** Of a room that is told for the first time only the receipts for what is shown of it, and the user's own. */
async function readReceipts(
  span: Span,
  rooms: readonly ChosenRoom[],
  told: ReadonlyMap<string, ToldRoom>,
): Promise<Part> {
  const { app, request, base } = span
  const { userId } = request.viewer
  const joined = rooms.filter(({ room }) => room.membership === 'join').map(({ room }) => room)
  const fresh = joined.filter((room) => told.get(room.room_id)?.plan.initial === true)
  const changed = joined.filter((room) => !fresh.includes(room) && happened(span, room.room, 'receipt'))
  const numbers = (list: typeof joined) => list.map((room) => room.room)
  const rows: ReceiptRow[] = []
  if (changed.length > 0) rows.push(...(await receiptsSince(app.db, numbers(changed), userId, base?.position ?? 0)))
  const shownIn = new Map(fresh.map((room) => [room.room, told.get(room.room_id)?.shown]))
  if (fresh.length > 0) {
    const all = await receiptsSince(app.db, numbers(fresh), userId, 0)
    rows.push(...all.filter((row) => row.user_id === userId || shownIn.get(row.room)?.has(row.event_id) === true))
  }
  const ofRooms = joined.flatMap((room) => {
    const [event] = receiptEvents(rows.filter((row) => row.room === room.room).map(unthreaded))
    return event === undefined ? [] : [`${JSON.stringify(room.room_id)}:${event}`]
  })
  return { json: `{"rooms":{${ofRooms.join(',')}}}`, news: ofRooms.length > 0 }
}

/** The answer has room for one event of receipts, whatever threads they are of: each names its own. */
function unthreaded(row: ReceiptRow): ReceiptRow {
  return { ...row, thread: '' }
}

function readTyping(span: Span, rooms: readonly ChosenRoom[]): Part {
  const ofRooms = rooms.flatMap(({ room }) => {
    const users = room.membership === 'join' ? span.typing.lists.get(room.room) : undefined
    if (users === undefined) return []
    const heard = users.filter((userId) => !span.settings.ignored.has(userId))
    return [`${JSON.stringify(room.room_id)}:${JSON.stringify({ type: 'm.typing', content: { user_ids: heard } })}`]
  })
  return { json: `{"rooms":{${ofRooms.join(',')}}}`, news: ofRooms.length > 0 }
}
