import { authorise } from '../auth/authorise.ts'
import { authStateKeys } from '../auth/select.ts'
import type { EventId } from '../event.ts'
import { createEventIdOf } from '../ids.ts'
import type { RoomVersion } from '../room-version.ts'
import { stateMapKey } from './map.ts'
import { type EventPool, load, loadAgreed, type Resolving, type StateEvent } from './requests.ts'

/**
 * Iterative auth checks (Room version 2): each event in turn enters `state` if the rules allow it there. What `state`
 * lacks is taken from the events that the event itself names, rejected ones excepted.
 */
export function* iterativeAuthChecks(
  version: RoomVersion,
  pool: EventPool,
  events: readonly StateEvent[],
  state: Map<string, EventId>,
): Resolving<void> {
  yield* loadAuthorities(version, pool, events, state)
  for (const event of events) {
    if (event.stateKey === null) continue
    const reader = readerFor(version, pool, event, state)
    if (authorise(version, event, reader).allowed) state.set(stateMapKey(event.type, event.stateKey), event.eventId)
  }
}

/**
 * The events that the checks will read: of the state so far, and of what the states agree on, which joins it here.
 * Those that enter meanwhile are held anyway.
 */
function* loadAuthorities(
  version: RoomVersion,
  pool: EventPool,
  events: readonly StateEvent[],
  state: Map<string, EventId>,
): Resolving<void> {
  const wanted = new Set<EventId>()
  const lacking = new Set<string>()
  for (const event of events) {
    if (version.roomIdIsCreateHash) wanted.add(createEventIdOf(event.roomId))
    for (const [type, stateKey] of authStateKeys(version, event)) {
      const key = stateMapKey(type, stateKey)
      const id = state.get(key)
      if (id !== undefined) wanted.add(id)
      else lacking.add(key)
    }
  }
  yield* load(pool, wanted)
  // Version 12 begins with an empty state.
  if (version.stateResolution !== 'v2.1') yield* loadAgreed(pool, lacking, state)
}

function readerFor(
  version: RoomVersion,
  pool: EventPool,
  event: StateEvent,
  state: ReadonlyMap<string, EventId>,
): (type: string, stateKey: string) => StateEvent | undefined {
  const readable = new Map<string, StateEvent>()
  const add = (found: StateEvent | undefined) => {
    if (found !== undefined && found.stateKey !== null) readable.set(stateMapKey(found.type, found.stateKey), found)
  }
  for (const id of event.authEvents) if (pool.get(id)?.rejected !== true) add(pool.get(id))
  if (version.roomIdIsCreateHash) add(pool.get(createEventIdOf(event.roomId)))
  for (const [type, stateKey] of authStateKeys(version, event)) {
    const id = state.get(stateMapKey(type, stateKey))
    // What was rejected at its own place in the room and yet stands in the state counts as any other.
    if (id !== undefined) add(pool.get(id))
  }
  return (type, stateKey) => readable.get(stateMapKey(type, stateKey))
}
