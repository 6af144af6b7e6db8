import type { EventId } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import type { StateMap } from './map.ts'
import type { Reading, Resolving, StateAnswer } from './requests.ts'
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
  while (step.done !== true) step = resolution.next(lookup(step.value.ids))
  return step.value
}

export type { Reading, StateAnswer, StateEvent, StateRequest } from './requests.ts'
