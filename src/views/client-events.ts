import type { App } from '../app.ts'
import { clientEventJson, eventAge, unsignedJson } from '../core/client-event.ts'
import { roomVersion } from '../core/room-version.ts'
import { type EventRow, eventsByNumber } from '../store/events.ts'
import { transactionsOfEvents } from '../store/transactions.ts'

export interface Viewer {
  readonly userId: string
  readonly deviceId: string
}

/** What the rows of a room need to be shown. `roomId` undefined: the reply names the room elsewhere. */
export interface RoomShown {
  readonly roomId: string | undefined
  readonly version: string | null
}

/** The events as JSON texts, in the order given; at most two queries, however many events. */
export async function clientEvents(
  app: App,
  viewer: Viewer,
  rows: readonly EventRow[],
  roomOf: (row: EventRow) => RoomShown,
): Promise<string[]> {
  const mine = rows.filter((row) => row.sender === viewer.userId).map((row) => row.event_id)
  const sent = mine.length === 0 ? [] : await transactionsOfEvents(app.db, viewer.userId, viewer.deviceId, mine)
  const transactions = new Map(sent.map((row) => [row.event_id, row.txn_id]))
  const wanted = rows.flatMap((row) => [row.previous, row.redacted_by]).filter((event) => event !== null)
  const related = wanted.length === 0 ? [] : await eventsByNumber(app.db, wanted)
  const byNumber = new Map(related.map((row) => [row.event, row]))
  const now = app.clock.now()
  return rows.map((row) => {
    const previous = byNumber.get(row.previous ?? -1)
    const redaction = byNumber.get(row.redacted_by ?? -1)
    const room = roomOf(row)
    const unsigned = unsignedJson({
      age: eventAge(row.origin_server_ts, now),
      transactionId: transactions.get(row.event_id),
      prevContentText: previous?.content,
      replacesState: previous?.event_id,
      redactedBecauseText: redaction && shownEvent(redaction, room, undefined),
    })
    return shownEvent(row, room, unsigned)
  })
}

function shownEvent(row: EventRow, room: RoomShown, unsigned: string | undefined): string {
  const version = roomVersion(room.version ?? '1') ?? { redactsInContent: false }
  return clientEventJson(
    {
      eventId: row.event_id,
      roomId: room.roomId,
      type: row.type,
      stateKey: row.state_key,
      sender: row.sender,
      originServerTs: row.origin_server_ts,
      contentText: row.content,
      redacts: row.redacts,
      version,
    },
    unsigned,
  )
}
