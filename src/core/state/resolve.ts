import type { EventId } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import { splitStates } from './conflict.ts'
import type { StateMap } from './map.ts'
import type { ConflictRequest, ReachedRequest, Reading, Resolving, StateAnswer, StateRequest } from './requests.ts'
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
): Resolving<StateMap, StateRequest> {
  const splitting = splitFor(version, sets)
  let split = splitting.next()
  while (split.done !== true) split = splitting.next()
  const { unconflicted, parts } = split.value
  if (parts.length === 0) return unconflicted
  const resolution = resolveConflict(version, parts, reading)
  let step = resolution.next()
  while (step.done !== true) {
    const request = withAgreed(step.value, unconflicted)
    step = resolution.next(yield request)
  }
  return settled(unconflicted, step.value)
}

/**
 * The steps of `resolveState`, for who takes them apart. The first: what the states agree on, and the parts that are
 * in conflict; none: there is no conflict. Yields where others may go on meanwhile.
 */
export function* splitFor(version: RoomVersion, sets: readonly StateMap[]): Generator<undefined, StateSplit> {
  const [only, ...others] = [...new Set(sets)]
  if (only === undefined) return { unconflicted: new Map(), parts: [] }
  if (others.length === 0) return { unconflicted: only, parts: [] }
  const split = yield* splitStates([only, ...others], version.stateResolution !== 'v1')
  return split.parts.every((part) => part.size === 0) ? { ...split, parts: [] } : split
}

export interface StateSplit {
  readonly unconflicted: StateMap
  readonly parts: readonly StateMap[]
}

/** The second, which sees the conflict alone. */
export function resolveConflict(
  version: RoomVersion,
  parts: readonly StateMap[],
  reading: Reading = 'synapse',
): Resolving<StateMap> {
  const resolve = version.stateResolution === 'v1' ? resolveV1 : resolveV2
  return resolve(version, parts, reading)
}

/** What the second asks for, with what the states agree on. */
export function withAgreed(request: ConflictRequest, unconflicted: StateMap): StateRequest {
  if (request.ask === 'events') return request
  if (request.ask === 'reached') return { ...request, from: [...unconflicted.values()] }
  return { ask: 'events', ids: request.keys.flatMap((key) => unconflicted.get(key) ?? []) }
}

/** The last: what was chosen where the states disagree, beside what they agree on. */
export function settled(unconflicted: StateMap, chosen: StateMap): StateMap {
  const state = new Map(chosen)
  for (const [key, id] of unconflicted) state.set(key, id)
  return state
}

/** Drives a resolution for callers that have all events at hand. */
export function runResolution<Result>(
  resolution: Resolving<Result, StateRequest>,
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

export type {
  ConflictRequest,
  ReachedRequest,
  Reading,
  Resolving,
  StateAnswer,
  StateEvent,
  StateRequest,
} from './requests.ts'
