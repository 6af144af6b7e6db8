import type { App } from '../app.ts'
import { clientEventJson, eventAge, unsignedJson } from '../core/client-event.ts'
import { canonicalJson, parseJson } from '../core/json.ts'
import { redactContent } from '../core/redact.ts'
import { roomVersion } from '../core/room-version.ts'
import { type EventRow, eventsByNumber } from '../store/events.ts'
import { transactionsOfEvents } from '../store/transactions.ts'
import { erasedUsers } from '../store/users.ts'
import { type Aggregation, aggregationsOf } from './aggregations.ts'
import { type Sight, sightOf } from './visible-events.ts'

export interface Viewer {
  readonly userId: string
  readonly deviceId: string
}

/** What the rows of a room need to be shown. `roomId` undefined: the reply names the room elsewhere. */
export interface RoomShown {
  readonly roomId: string | undefined
  readonly version: string | null
}

type RoomOf = (row: EventRow) => RoomShown

export interface Bundling {
  /** Those of the events that get their aggregations; undefined: all. */
  readonly parents?: readonly EventRow[]
  /** How many events this one is bundled in. */
  readonly nesting?: number
}

/** An edit in the last reply of a thread is bundled with it; what is below that, nobody shows. */
const MAX_NESTING = 2

/**
 * The events as JSON texts, in the order given, with what the viewer may know beside them: at most four queries however
 * many events, and a few more if there is something to bundle.
 */
export async function clientEvents(
  app: App,
  viewer: Viewer,
  rows: readonly EventRow[],
  roomOf: RoomOf,
  { parents = rows, nesting = 0 }: Bundling = {},
): Promise<string[]> {
  if (rows.length === 0) return []
  const sight = await sightOf(app, viewer.userId, rows)
  const transactions = await transactionsOf(app, viewer, rows)
  const related = await relatedRows(app, rows)
  const erased = await erasedRows(app, viewer, rows, sight)
  const aggregations = await aggregationsOf(app, viewer.userId, nesting < MAX_NESTING ? parents : [])
  const bundled = await bundledTexts(app, viewer, aggregations, roomOf, nesting)
  const now = app.clock.now()
  return rows.map((row) => {
    const previous = related.get(row.previous ?? -1)
    const redaction = related.get(row.redacted_by ?? -1)
    const room = roomOf(row)
    const unsigned = unsignedJson({
      age: eventAge(row.origin_server_ts, now),
      transactionId: transactions.get(row.event_id),
      membership: sight.membershipAt(row),
      prevContentText: previous !== undefined && sight.sees(previous) ? previous.content : undefined,
      replacesState: previous?.event_id,
      redactedBy: redaction?.event_id,
      redactedBecauseText: redaction && sight.sees(redaction) ? shownEvent(redaction, room, undefined) : undefined,
      relationsText: bundled.get(row.event_id),
    })
    return shownEvent(erased.has(row) ? withoutContent(row, room) : row, room, unsigned)
  })
}

/** The client's names for those events that the viewer's device sent. */
async function transactionsOf(app: App, viewer: Viewer, rows: readonly EventRow[]): Promise<Map<string, string>> {
  const mine = rows.filter((row) => row.sender === viewer.userId).map((row) => row.event_id)
  const sent = mine.length === 0 ? [] : await transactionsOfEvents(app.db, viewer.userId, viewer.deviceId, mine)
  return new Map(sent.map((row) => [row.event_id, row.txn_id]))
}

/** By number: the state that the events replaced, and what redacted them. */
export async function relatedRows(app: App, rows: readonly EventRow[]): Promise<Map<number, EventRow>> {
  const wanted = rows.flatMap((row) => [row.previous, row.redacted_by]).filter((event) => event !== null)
  const related = wanted.length === 0 ? [] : await eventsByNumber(app.db, wanted)
  return new Map(related.map((row) => [row.event, row]))
}

/** Events of erased users are whole only for those who were there (Client-Server API, account deactivation). */
async function erasedRows(
  app: App,
  viewer: Viewer,
  rows: readonly EventRow[],
  sight: Sight,
): Promise<ReadonlySet<EventRow>> {
  const unseen = rows.filter((row) => row.sender !== viewer.userId && sight.membershipAt(row) !== 'join')
  if (unseen.length === 0) return new Set()
  const erased = await erasedUsers(app.db, [...new Set(unseen.map((row) => row.sender))])
  return new Set(unseen.filter((row) => erased.has(row.sender)))
}

function withoutContent(row: EventRow, room: RoomShown): EventRow {
  const version = roomVersion(room.version ?? '1')
  return {
    ...row,
    content: version === undefined ? '{}' : canonicalJson(redactContent(version, row.type, parseJson(row.content))),
  }
}

/** The text of `m.relations` for each event that has one, by id. */
async function bundledTexts(
  app: App,
  viewer: Viewer,
  aggregations: ReadonlyMap<string, Aggregation>,
  roomOf: RoomOf,
  nesting: number,
): Promise<Map<string, string>> {
  const inner = [...aggregations.values()].flatMap(({ replacement, thread }) => [
    ...(replacement === undefined ? [] : [replacement]),
    ...(thread === undefined ? [] : [thread.latest]),
  ])
  const shown = await clientEvents(app, viewer, inner, roomOf, { nesting: nesting + 1 })
  const texts = new Map(inner.map((row, index) => [row, shown[index] ?? '{}']))
  const bundled = new Map<string, string>()
  for (const [eventId, { replacement, thread, references }] of aggregations) {
    const parts: string[] = []
    if (replacement !== undefined) parts.push(`"m.replace":${texts.get(replacement)}`)
    if (references.length > 0)
      parts.push(`"m.reference":${JSON.stringify({ chunk: references.map((event_id) => ({ event_id })) })}`)
    if (thread !== undefined) {
      const { latest, count, participated } = thread
      const facts = `"count":${count},"current_user_participated":${participated}`
      parts.push(`"m.thread":{"latest_event":${texts.get(latest)},${facts}}`)
    }
    if (parts.length > 0) bundled.set(eventId, `{${parts.join(',')}}`)
  }
  return bundled
}

/** The event as JSON text, with a text of `unsigned`. */
export function shownEvent(row: EventRow, room: RoomShown, unsigned: string | undefined): string {
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
