import { authorise } from '../auth/authorise.ts'
import { authStateKeys } from '../auth/select.ts'
import type { EventId } from '../event.ts'
import { createEventIdOf } from '../ids.ts'
import type { RoomVersion } from '../room-version.ts'
import { stateMapKey } from './map.ts'
import { type EventPool, load, type Resolving, type StateEvent } from './requests.ts'

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

/** The events of the state so far that the checks will read; those that enter meanwhile are held anyway. */
function* loadAuthorities(
  version: RoomVersion,
  pool: EventPool,
  events: readonly StateEvent[],
  state: ReadonlyMap<string, EventId>,
): Resolving<void> {
  const wanted = new Set<EventId>()
  for (const event of events) {
    if (version.roomIdIsCreateHash) wanted.add(createEventIdOf(event.roomId))
    for (const [type, stateKey] of authStateKeys(version, event)) {
      const id = state.get(stateMapKey(type, stateKey))
      if (id !== undefined) wanted.add(id)
    }
  }
  yield* load(pool, wanted)
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
