import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import type { EventId } from '../../core/ids.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { type StateMap, stateMapKey } from '../../core/state/map.ts'
import {
  type ConflictRequest,
  type ReachedRequest,
  resolveConflict,
  type StateEvent,
  type StateRequest,
  settled,
  splitFor,
  withAgreed,
} from '../../core/state/resolve.ts'
import type { StateEntry } from '../../live/room-tip.ts'
import type { ThreadAnswer } from '../../live/state-resolver.ts'
import { breathe } from '../../live/time.ts'
import {
  authEventsOf,
  eventNumbers,
  type PduRow,
  pdusById,
  stateEventOf,
  stateRowOf,
  stateRowsById,
} from '../../store/pdus.ts'
import { type SnapshotLink, stateIdsAt } from '../../store/state.ts'

/** The state at a snapshot; null: of a room that is just beginning. */
export async function stateAtSnapshot(app: App, snapshot: number | null): Promise<StateMap> {
  if (snapshot === null) return NOTHING
  return remembered(app, `${snapshot}`, async () => {
    const rows = await stateIdsAt(app.db, snapshot)
    return new Map(rows.map((row) => [stateMapKey(row.type, row.state_key), row.event_id]))
  })
}

const NOTHING: StateMap = new Map()

/** The state that a new snapshot holds, so that nobody has to read it. */
export function rememberState(app: App, chain: readonly SnapshotLink[], state: StateMap): void {
  const [newest] = chain
  if (newest !== undefined) app.live.states.set(`${newest.snapshot}`, state)
}

async function remembered(app: App, name: string, read: () => Promise<StateMap>): Promise<StateMap> {
  const known = app.live.states.get(name)
  if (known !== undefined) return known
  const state = await read()
  app.live.states.set(name, state)
  return state
}

/** The state after an event: that before it, changed by the event itself unless it was rejected. */
export async function stateAfter(app: App, row: PduRow): Promise<StateMap> {
  const { state_key: stateKey } = row
  const before = await stateAtSnapshot(app, row.snapshot)
  if (stateKey === null || row.rejected === 1) return before
  return remembered(app, `after ${row.event} ${row.snapshot}`, async () =>
    changedState(before, { ...row, stateKey, eventId: row.event_id }),
  )
}

/** The state with the event in it. */
export function changedState(
  before: StateMap,
  event: { readonly type: string; readonly stateKey: string; readonly eventId: EventId },
): StateMap {
  return new Map(before).set(stateMapKey(event.type, event.stateKey), event.eventId)
}

/** Entries of a state from which on the loop is left to others between two steps. */
const LARGE_STATE = 2_000

/** The states after these events, one read after the other: they may be large. */
export async function statesAfter(app: App, rows: readonly PduRow[]): Promise<StateMap[]> {
  const states: StateMap[] = []
  for (const row of rows) {
    const state = await stateAfter(app, row)
    states.push(state)
    if (state.size > LARGE_STATE) await breathe()
  }
  return states
}

/** Events up to which a conflict is resolved on the loop: some milliseconds. */
const EVENTS_HERE_MAX = 200
/** Events whose edges are read at a time. */
const EDGES_PAGE = 1000

/**
 * Resolves states whose events are all in the database, but for `fresh`, which nothing there names yet. Errors:
 * M_TOO_LARGE when the conflict reaches too far.
 */
export async function resolveStates(
  app: App,
  version: RoomVersion,
  states: readonly StateMap[],
  fresh?: Event,
): Promise<StateMap> {
  const splitting = splitFor(version, states)
  let split = splitting.next()
  for (const large = states.some(({ size }) => size > LARGE_STATE); split.done !== true; split = splitting.next())
    if (large) await breathe()
  const { unconflicted, parts } = split.value
  if (parts.length === 0) return unconflicted
  const answer = (request: ConflictRequest) => answerOf(app, withAgreed(request, unconflicted), fresh)
  const chosen =
    (await resolveHere(version, parts, answer, EVENTS_HERE_MAX)) ??
    (await app.stateResolver.resolve(version.id, parts, answer)) ??
    (await resolveHere(version, parts, answer, Number.POSITIVE_INFINITY))
  return settled(unconflicted, chosen!)
}

/** Undefined when the conflict reaches over more events. */
async function resolveHere(
  version: RoomVersion,
  parts: readonly StateMap[],
  answer: (request: ConflictRequest) => Promise<ThreadAnswer>,
  eventsMax: number,
): Promise<StateMap | undefined> {
  let events = parts.reduce((count, part) => count + part.size, 0)
  if (events > 2 * eventsMax) return undefined
  events = 0
  const resolution = resolveConflict(version, parts)
  let step = resolution.next()
  while (step.done !== true) {
    const { rows, reached } = await answer(step.value)
    events += rows.length
    if (events > eventsMax) return undefined
    const found = new Map<EventId, StateEvent | undefined>(rows.map((row) => [row.event_id, stateEventOf(row)]))
    for (const id of reached) found.set(id, undefined)
    step = resolution.next(found)
  }
  return step.value
}

async function answerOf(app: App, request: StateRequest, fresh: Event | undefined): Promise<ThreadAnswer> {
  if (request.ask === 'events') {
    const rows = request.ids.length === 0 ? [] : await stateRowsById(app.db, request.ids)
    return { rows: fresh && request.ids.includes(fresh.eventId) ? [...rows, stateRowOf(fresh)] : rows, reached: [] }
  }
  const reached = [...(await reachedEvents(app, request)).keys()]
  if (fresh === undefined || !request.from.includes(fresh.eventId)) return { rows: [], reached }
  if (request.ownCounts && request.ids.includes(fresh.eventId)) reached.push(fresh.eventId)
  const named = { ids: request.ids, from: fresh.authEvents, ownCounts: true }
  return { rows: [], reached: [...reached, ...(await reachedEvents(app, named)).keys()] }
}

/** Walks the edges alone, a page at a time, until all events that are sought are met. */
export async function reachedEvents(
  app: App,
  { ids, from, ownCounts }: Omit<ReachedRequest, 'ask'>,
): Promise<Map<EventId, undefined>> {
  const sought = await eventNumbers(app.db, ids)
  const found = new Map<EventId, undefined>()
  const passed = new Set<number>()
  const meet = (number: number) => {
    const id = sought.get(number)
    if (id !== undefined) found.set(id, undefined)
  }
  async function pass(numbers: readonly number[]): Promise<void> {
    let frontier = numbers.filter((number) => !passed.has(number))
    while (frontier.length > 0 && found.size < sought.size) {
      for (const number of frontier) passed.add(number)
      const named = await authEventsOf(app.db, frontier)
      for (const number of named) meet(number)
      frontier = named.filter((number) => !passed.has(number))
    }
  }
  for (let start = 0; start < from.length && found.size < sought.size; start += EDGES_PAGE) {
    const numbers = [...(await eventNumbers(app.db, from.slice(start, start + EDGES_PAGE))).keys()]
    if (ownCounts) for (const number of numbers) meet(number)
    await pass(numbers)
    if (from.length > EDGES_PAGE) await breathe()
  }
  return found
}

/** The events by id, as the rules read them; those that are not known are left out. */
export async function stateEvents(app: App, ids: readonly EventId[]): Promise<Map<EventId, StateEvent>> {
  const rows = ids.length === 0 ? [] : await pdusById(app.db, ids)
  return new Map(rows.map((row) => [row.event_id, stateEventOf(row)]))
}

/** A key whose event differs between two states. */
export interface StateDifference {
  readonly type: string
  readonly stateKey: string
  readonly before: EventId | undefined
  readonly after: EventId | undefined
}

export function differences(before: StateMap, after: StateMap): readonly StateDifference[] {
  if (before === after) return []
  const found: StateDifference[] = []
  const add = (key: string) => {
    const [type = '', stateKey = ''] = splitOnce(key)
    found.push({ type, stateKey, before: before.get(key), after: after.get(key) })
  }
  for (const [key, id] of before) if (after.get(key) !== id) add(key)
  for (const key of after.keys()) if (!before.has(key)) add(key)
  return found
}

/** The events with their numbers. */
export async function stateEntries(app: App, ids: readonly (EventId | undefined)[]): Promise<Map<EventId, StateEntry>> {
  const wanted = [...new Set(ids)].filter((id) => id !== undefined)
  const rows = wanted.length === 0 ? [] : await pdusById(app.db, wanted)
  return new Map(rows.map((row) => [row.event_id, { event: row.event, value: stateEventOf(row) }]))
}

function splitOnce(key: string): readonly [string, string] {
  const at = key.indexOf('\0')
  return [key.slice(0, at), key.slice(at + 1)]
}
