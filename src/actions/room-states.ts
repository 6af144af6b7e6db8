import type { App } from '../app.ts'
import type { EventId } from '../core/ids.ts'
import type { RoomVersion } from '../core/room-version.ts'
import { type StateMap, stateMapKey } from '../core/state/map.ts'
import { type ReachedRequest, resolveState, type StateEvent, type StateRequest } from '../core/state/resolve.ts'
import type { StateEntry } from '../live/room-tip.ts'
import { authEventsOf, eventNumbers, type PduRow, pdusById, stateEventOf } from '../store/pdus.ts'
import { type SnapshotLink, stateIdsAt } from '../store/state.ts'

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
  fresh?: StateEvent,
): Promise<StateMap> {
  const resolution = resolveState(version, states)
  let step = resolution.next()
  while (step.done !== true) {
    const request = step.value
    const answer: Map<EventId, StateEvent | undefined> = await (request.ask === 'events'
      ? stateEvents(app, request.ids)
      : reachedEvents(app, request))
    if (fresh !== undefined) await addFresh(app, answer, request, fresh)
    step = resolution.next(answer)
  }
  return step.value
}

async function addFresh(
  app: App,
  answer: Map<EventId, StateEvent | undefined>,
  request: StateRequest,
  fresh: StateEvent,
): Promise<void> {
  const { eventId } = fresh
  if (request.ask === 'events') {
    if (request.ids.includes(eventId)) answer.set(eventId, fresh)
    return
  }
  if (!request.from.includes(eventId)) return
  if (request.ownCounts && request.ids.includes(eventId)) answer.set(eventId, undefined)
  const named = { ids: request.ids, from: fresh.authEvents, ownCounts: true }
  for (const id of (await reachedEvents(app, named)).keys()) answer.set(id, undefined)
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
