import { eventFilterMatches } from '../../core/filter.ts'
import { roomVersion } from '../../core/room-version.ts'
import { breathe } from '../../live/time.ts'
import { roomAccountDataSince } from '../../store/account-data.ts'
import { type EventRow, envelopesOf } from '../../store/events.ts'
import { accountDataText } from '../account-data-text.ts'
import { clientEvents } from '../client-events.ts'
import { readEphemeral } from './ephemeral.ts'
import { hasNews, PEEK, type Scope, type SyncRoom } from './scope.ts'
import { readStates } from './state.ts'
import { readHeroes, summaryJson } from './summary.ts'
import { prevBatch, readTimelines, type Timeline } from './timeline.ts'
import { readUnread } from './unread.ts'

/** Rooms read at once: as many as fit into a turn that others do not notice; the database is asked once for all. */
const MIN_ROOMS = 5
const MAX_ROOMS = 50
const TURN_MS = 6

export interface RoomParts {
  readonly join: Map<string, string>
  readonly leave: Map<string, string>
  readonly peek: Map<string, string>
  /** Somebody came into a room, or left it. */
  readonly membersChanged: boolean
}

/** The parts of an answer with timelines: JSON texts by room id. */
export async function roomParts(scope: Scope, rooms: readonly SyncRoom[]): Promise<RoomParts> {
  const parts = { join: new Map(), leave: new Map(), peek: new Map(), membersChanged: false }
  if (rooms.length === 0) return parts
  const accountData = await readAccountData(scope, rooms)
  if (rooms.length > MAX_ROOMS) await breathe()
  const { clock } = scope.app
  let count = MIN_ROOMS
  for (let start = 0, began = clock.monotonic(); start < rooms.length; ) {
    if (start > 0) {
      count = clock.monotonic() - began > TURN_MS ? Math.max(MIN_ROOMS, count >> 1) : Math.min(MAX_ROOMS, count + 1)
      await breathe()
      began = clock.monotonic()
    }
    const some = rooms.slice(start, start + count)
    const timelines = await readTimelines(scope, some)
    parts.membersChanged ||= timelines.some((timeline) => timeline.membersChanged)
    for (const [room, json] of await readRooms(scope, timelines, accountData))
      partOf(parts, room.membership).set(room.room_id, json)
    start += some.length
  }
  return parts
}

function partOf(parts: RoomParts, membership: string): Map<string, string> {
  return membership === 'join' || membership === PEEK ? parts[membership] : parts.leave
}

async function readRooms(
  scope: Scope,
  timelines: readonly Timeline[],
  accountData: ReadonlyMap<string, readonly AccountData[]>,
): Promise<[SyncRoom, string][]> {
  const heroes = await readHeroes(scope, timelines)
  const states = await readStates(scope, timelines, heroes)
  const ephemeral = await readEphemeral(
    scope,
    timelines.map((timeline) => timeline.room),
  )
  const unread = await readUnread(scope, timelines)
  const texts = await eventTexts(scope, timelines, states)
  return timelines.flatMap((timeline, index): [SyncRoom, string][] => {
    const { room } = timeline
    const parts = {
      state: (states[index] ?? []).map((row) => texts.get(row) ?? ''),
      timeline: timeline.shown.map((row) => texts.get(row) ?? ''),
      accountData: (accountData.get(room.room_id) ?? [])
        .filter((item) => room.wholeState || item.position > scope.since)
        .map(accountDataText),
      ephemeral: ephemeral.get(room.room) ?? [],
    }
    const unreadJson = unread.get(room.room)
    const isNew = room.wholeState || (room.membership !== 'join' && room.position > scope.since)
    const isNews = isNew || unreadJson?.changed || Object.values(parts).some((part) => part.length > 0)
    if (!isNews) return []
    return [[room, roomJson(scope, timeline, parts, unreadJson?.json, summaryJson(timeline, heroes.get(room.room)))]]
  })
}

interface AccountData {
  readonly type: string
  readonly content: string
  readonly position: number
}

/** The user's own data of all rooms: whatever of it a room of the answer may need. */
async function readAccountData(scope: Scope, rooms: readonly SyncRoom[]): Promise<Map<string, AccountData[]>> {
  const byRoom = new Map<string, AccountData[]>()
  const whole = rooms.some((room) => room.wholeState)
  const changed = rooms.some((room) => hasNews(scope, room.room, 'account_data'))
  if (!whole && !changed) return byRoom
  const filter = scope.request.filter.room.accountData
  for (const row of await roomAccountDataSince(scope.app.db, scope.request.viewer.userId, whole ? 0 : scope.since)) {
    if (!eventFilterMatches(filter, { type: row.type, roomId: row.room_id })) continue
    const items = byRoom.get(row.room_id)
    if (items === undefined) byRoom.set(row.room_id, [row])
    else items.push(row)
  }
  return byRoom
}

/** All events of all rooms in one go, by row. */
async function eventTexts(
  scope: Scope,
  timelines: readonly Timeline[],
  states: readonly (readonly EventRow[])[],
): Promise<Map<EventRow, string>> {
  const rows = [...states.flat(), ...timelines.flatMap((timeline) => timeline.shown)]
  const versions = new Map(timelines.map(({ room }) => [room.room, room.version]))
  if (scope.request.filter.eventFormat === 'federation') return federationTexts(scope, rows, versions)
  const roomOf = (row: EventRow) => ({ roomId: undefined, version: versions.get(row.room) ?? null })
  // Who is told everything that happened aggregates by themselves.
  const parents = timelines.flatMap((timeline) => (timeline.limited || timeline.room.wholeState ? timeline.shown : []))
  const texts = await clientEvents(scope.app, scope.request.viewer, rows, roomOf, { parents })
  return new Map(rows.map((row, index) => [row, texts[index] ?? '']))
}

/** The events as servers have them (`event_format` of the filter), with their ids. */
async function federationTexts(
  scope: Scope,
  rows: readonly EventRow[],
  versions: ReadonlyMap<number, string | null>,
): Promise<Map<EventRow, string>> {
  const numbers = [...new Set(rows.map((row) => row.event))]
  const envelopes = numbers.length === 0 ? [] : await envelopesOf(scope.app.db, numbers)
  const byNumber = new Map(envelopes.map(({ event, envelope }) => [event, envelope]))
  return new Map(
    rows.map((row) => {
      const rest = (byNumber.get(row.event) ?? '{}').slice(1, -1)
      // The first versions of rooms have the id in the event.
      const hasId = roomVersion(versions.get(row.room) ?? '')?.eventIdFormat === 'server'
      const id = hasId ? '' : `"event_id":${JSON.stringify(row.event_id)},`
      return [row, `{"content":${row.content},${id}${rest}}`]
    }),
  )
}

function roomJson(
  scope: Scope,
  timeline: Timeline,
  parts: Record<'state' | 'timeline' | 'accountData' | 'ephemeral', readonly string[]>,
  unread: string | undefined,
  summary: string | undefined,
): string {
  const { limited, room } = timeline
  const events = (texts: readonly string[]) => `{"events":[${texts.join(',')}]}`
  const bounds = `"limited":${limited},"prev_batch":${JSON.stringify(prevBatch(scope.app, timeline))}`
  const keys = [
    `"timeline":{"events":[${parts.timeline.join(',')}],${bounds}}`,
    `${JSON.stringify(scope.request.stateAfterKey ?? 'state')}:${events(parts.state)}`,
    `"account_data":${events(parts.accountData)}`,
  ]
  if (room.membership === 'join') keys.push(`"ephemeral":${events(parts.ephemeral)}`)
  if (unread !== undefined) keys.push(unread)
  if (summary !== undefined) keys.push(`"summary":${summary}`)
  return `{${keys.join(',')}}`
}
