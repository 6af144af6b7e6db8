import type { App } from '../../app.ts'
import { authoriseByAuthEvents } from '../../core/auth/by-auth-events.ts'
import type { EventId } from '../../core/ids.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import type { StateEvent } from '../../core/state/resolve.ts'
import type { Guard, LogRow } from '../../db/database.ts'
import type { Sql } from '../../db/sql.ts'
import type { StateEntry } from '../../live/room-tip.ts'
import { eventIsStill, insertEvent } from '../../store/events.ts'
import { pdusById, stateEventOf } from '../../store/pdus.ts'
import { noteExpiry } from '../rooms/note-expiry.ts'
import { write } from '../write.ts'
import { inOrder } from './in-order.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

/** Events in one batch, so that no other writer waits long. */
const BATCH_EVENTS = 100

/**
 * Keeps events on which others rest (Server-Server API, "Rejection" and "Auth events selection"): each is authorised by
 * the events that it names, or kept as rejected. Those whose auth events are neither known nor among the given ones are
 * left out. Resolves with the numbers of all given events that are now known.
 */
export async function storeOutliers(
  app: App,
  room: number,
  version: RoomVersion,
  events: Iterable<VerifiedEvent>,
): Promise<ReadonlyMap<EventId, number>> {
  const given = new Map([...events].map((event) => [event.eventId, event]))
  const known = await knownEntries(app, given)
  const numbers = new Map<EventId, number>()
  let writes: Sql[] = []
  let guards: Guard[] = []
  let log: LogRow[] = []
  const flush = async () => {
    // When another process was faster, the events are there all the same.
    if (writes.length > 0) await write(app, { guards, writes, log })
    writes = []
    log = []
    guards = []
  }
  for (const event of inAuthOrder(given)) {
    const stored = known.get(event.eventId)
    if (stored === undefined) {
      const named = event.authEvents.map((id) => known.get(id))
      if (named.some((entry) => entry === undefined)) continue
      const entry = { event: await app.db.nextId('event'), value: judged(version, event, named as Entry[], known) }
      known.set(event.eventId, entry)
      guards.push(eventIsStill(event.eventId, undefined))
      const expiry = noteExpiry(app, room, event, entry.event)
      writes.push(...insertOutlier(room, event, entry, named as Entry[]), ...expiry.writes)
      log.push(...expiry.log)
      if (guards.length >= BATCH_EVENTS) await flush()
    }
    numbers.set(event.eventId, known.get(event.eventId)!.event)
  }
  await flush()
  return numbers
}

interface Entry extends StateEntry {
  readonly value: StateEvent
}

/** What the database has of the events and of what they name. */
async function knownEntries(app: App, given: ReadonlyMap<EventId, VerifiedEvent>): Promise<Map<EventId, Entry>> {
  const ids = new Set<EventId>()
  let create: EventId | undefined
  for (const event of given.values()) {
    ids.add(event.eventId)
    for (const id of event.authEvents) ids.add(id)
    // Room version 12 names the create event by the room id alone.
    if (event.version.roomIdIsCreateHash) create = `$${event.roomId.slice(1)}` as EventId
  }
  if (create !== undefined) ids.add(create)
  const rows = await pdusById(app.db, [...ids])
  return new Map(rows.map((row) => [row.event_id, { event: row.event, value: stateEventOf(row) }]))
}

/** The create event of room version 12 is named by none and needed by all. */
function inAuthOrder(given: ReadonlyMap<EventId, VerifiedEvent>): VerifiedEvent[] {
  const isCreate = (event: VerifiedEvent) => Number(event.type === 'm.room.create')
  const starts = [...given.values()].sort((a, b) => isCreate(b) - isCreate(a))
  return inOrder(starts, given, (event) => event.authEvents)
}

function judged(
  version: RoomVersion,
  event: VerifiedEvent,
  named: readonly Entry[],
  known: ReadonlyMap<EventId, Entry>,
): StateEvent {
  const create = known.get(`$${event.roomId.slice(1)}` as EventId)?.value
  const values = named.map((entry) => entry.value)
  return { ...event, rejected: !authoriseByAuthEvents(version, event, values, create).allowed }
}

function insertOutlier(room: number, event: VerifiedEvent, entry: Entry, named: readonly Entry[]): Sql[] {
  const place = {
    event: entry.event,
    room,
    position: null,
    topo: 0,
    snapshot: null,
    historyVisibility: 'joined',
    previous: null,
    aside: entry.value.rejected === true ? ('rejected_outlier' as const) : ('outlier' as const),
  }
  return insertEvent(
    event,
    place,
    named.map((other) => other.event),
  )
}
