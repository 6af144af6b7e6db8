import type { App } from '../app.ts'
import type { EventId } from '../core/ids.ts'
import type { RoomVersion } from '../core/room-version.ts'
import { type StateMap, stateMapKey } from '../core/state/map.ts'
import { resolveState, type StateEvent } from '../core/state/resolve.ts'
import type { StateEntry } from '../live/room-tip.ts'
import { type PduRow, pdusById, stateEventOf } from '../store/pdus.ts'
import { stateIdsAt } from '../store/state.ts'

/** The state at a snapshot; null: of a room that is just beginning. */
export async function stateAtSnapshot(app: App, snapshot: number | null): Promise<Map<string, EventId>> {
  const rows = snapshot === null ? [] : await stateIdsAt(app.db, snapshot)
  return new Map(rows.map((row) => [stateMapKey(row.type, row.state_key), row.event_id]))
}

/** The state after an event: that before it, changed by the event itself unless it was rejected. */
export async function stateAfter(app: App, row: PduRow): Promise<StateMap> {
  const state = await stateAtSnapshot(app, row.snapshot)
  if (row.state_key !== null && row.rejected === 0) state.set(stateMapKey(row.type, row.state_key), row.event_id)
  return state
}

/** Resolves states whose events are all in the database. Errors: M_TOO_LARGE when the conflict reaches too far. */
export async function resolveStates(app: App, version: RoomVersion, states: readonly StateMap[]): Promise<StateMap> {
  const resolution = resolveState(version, states)
  let step = resolution.next()
  while (step.done !== true) step = resolution.next(await stateEvents(app, step.value.ids))
  return step.value
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
  const found: StateDifference[] = []
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(key) === after.get(key)) continue
    const [type = '', stateKey = ''] = splitOnce(key)
    found.push({ type, stateKey, before: before.get(key), after: after.get(key) })
  }
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
