import type { ReceiptRow } from '../store/receipts.ts'

/**
 * Receipts of one room as texts of `m.receipt` events; `roomId` where the answer does not name the room elsewhere. One
 * event for each thread: in one event a user could not have two receipts of a type for the same message, as one in a
 * thread and one for the whole room are.
 */
export function receiptEvents(receipts: readonly ReceiptRow[], roomId?: string): string[] {
  const room = roomId === undefined ? '' : `"room_id":${JSON.stringify(roomId)},`
  return [...grouped(receipts, (row) => row.thread)].map(([, ofThread]) => {
    const events = [...grouped(ofThread, (row) => row.event_id)].map(([eventId, ofEvent]) => {
      const types = [...grouped(ofEvent, (row) => row.receipt_type)].map(([type, ofType]) => {
        const users = ofType.map((row) => `${JSON.stringify(row.user_id)}:${row.data}`)
        return `${JSON.stringify(type)}:{${users.join(',')}}`
      })
      return `${JSON.stringify(eventId)}:{${types.join(',')}}`
    })
    return `{"type":"m.receipt",${room}"content":{${events.join(',')}}}`
  })
}

function grouped<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const row of rows) {
    const group = groups.get(keyOf(row))
    if (group === undefined) groups.set(keyOf(row), [row])
    else group.push(row)
  }
  return groups
}
