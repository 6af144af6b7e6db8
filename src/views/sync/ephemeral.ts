import { type EventFilter, eventFilterMatches, filterExcludesAll } from '../../core/filter.ts'
import { type ReceiptRow, receiptsSince } from '../../store/receipts.ts'
import { receiptEvents } from '../receipt-events.ts'
import { hasNews, type Scope, type SyncRoom } from './scope.ts'

/** Receipts and typing lists that the client lacks: JSON texts by room (Client-Server API, "Ephemeral events"). */
export async function readEphemeral(scope: Scope, rooms: readonly SyncRoom[]): Promise<Map<number, string[]>> {
  const filter = scope.request.filter.room.ephemeral
  const joined = rooms.filter((room) => room.membership === 'join')
  const texts = new Map<number, string[]>(joined.map((room) => [room.room, []]))
  if (filterExcludesAll(filter)) return texts
  for (const [room, receipts] of await receiptsOf(scope, joined))
    texts.get(room)?.push(...receiptEvents(receipts.filter((row) => showsReceipt(filter, row))))
  for (const room of joined) {
    const users = scope.typing.lists.get(room.room)
    if (users !== undefined && wants(filter, 'm.typing', room)) texts.get(room.room)?.push(typingEvent(scope, users))
  }
  return texts
}

function wants(filter: EventFilter, type: string, room: SyncRoom): boolean {
  return eventFilterMatches(filter, { type, roomId: room.room_id })
}

async function receiptsOf(scope: Scope, joined: readonly SyncRoom[]): Promise<Map<number, ReceiptRow[]>> {
  const { filter, viewer } = scope.request
  const wanted = joined.filter((room) => wants(filter.room.ephemeral, 'm.receipt', room))
  const whole = wanted.filter((room) => room.wholeState)
  const changed = wanted.filter((room) => !room.wholeState && hasNews(scope, room.room, 'receipt'))
  const byRoom = new Map<number, ReceiptRow[]>()
  for (const [rooms, since] of [
    [whole, 0],
    [changed, scope.since],
  ] as const) {
    if (rooms.length === 0) continue
    const numbers = rooms.map((room) => room.room)
    for (const row of await receiptsSince(scope.app.db, numbers, viewer.userId, since)) {
      const rows = byRoom.get(row.room)
      if (rows === undefined) byRoom.set(row.room, [row])
      else rows.push(row)
    }
  }
  return byRoom
}

function showsReceipt(filter: EventFilter, { user_id: sender }: ReceiptRow): boolean {
  return eventFilterMatches(filter, { type: 'm.receipt', sender })
}

function typingEvent(scope: Scope, userIds: readonly string[]): string {
  const users = userIds.filter((userId) => !scope.settings.ignored.has(userId))
  return JSON.stringify({ type: 'm.typing', content: { user_ids: users } })
}
