import type { EventId } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import type { StateMap } from './map.ts'
import type { ReachedRequest, Reading, Resolving, StateAnswer } from './requests.ts'
import { resolveV1 } from './v1.ts'
import { resolveV2 } from './v2.ts'

/**
 * The state that follows from these states (Rooms, "State resolution" of each version). Yields requests for events and
 * wants the answers sent in; events that are not known are passed over, and never chosen. The order of the sets and of
 * their entries does not matter. Throws MatrixError M_TOO_LARGE where a conflict reaches over too many events.
 */
export function* resolveState(
  version: RoomVersion,
  sets: readonly StateMap[],
  reading: Reading = 'synapse',
): Resolving<StateMap> {
  const [only, ...others] = [...new Set(sets)]
  if (only === undefined) return new Map()
  if (others.length === 0) return only
  const different = [only, ...others]
  const resolve = version.stateResolution === 'v1' ? resolveV1 : resolveV2
  return yield* resolve(version, different, reading)
}

/** Drives a resolution for callers that have all events at hand. */
export function runResolution<Result>(
  resolution: Resolving<Result>,
  lookup: (ids: readonly EventId[]) => StateAnswer,
): Result {
  let step = resolution.next()
  while (step.done !== true) {
    const request = step.value
    step = resolution.next(request.ask === 'events' ? lookup(request.ids) : reached(request, lookup))
  }
  return step.value
}

/** Walks until all are found or nothing is left. */
function reached(request: ReachedRequest, lookup: (ids: readonly EventId[]) => StateAnswer): StateAnswer {
  const sought = new Set(request.ids)
  const found = new Map<EventId, undefined>()
  const meet = (id: EventId) => {
    if (sought.has(id)) found.set(id, undefined)
  }
  if (request.ownCounts) request.from.forEach(meet)
  const passed = new Set<EventId>()
  let frontier: readonly EventId[] = request.from
  while (frontier.length > 0 && found.size < sought.size) {
    for (const id of frontier) passed.add(id)
    const named = new Set([...lookup(frontier).values()].flatMap((event) => event?.authEvents ?? []))
    named.forEach(meet)
    frontier = [...named].filter((id) => !passed.has(id))
  }
  return found
}

export type { ReachedRequest, Reading, StateAnswer, StateEvent, StateRequest } from './requests.ts'
