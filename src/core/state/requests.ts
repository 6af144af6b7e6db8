import type { AuthEvent, EventId } from '../event.ts'
import { MatrixError } from '../matrix-error.ts'
import { stateMapKey } from './map.ts'

/** An event as state resolution reads it; rejected ones lend no authority. */
export type StateEvent = AuthEvent & { readonly rejected?: boolean }

/** What a resolution asks its caller for. */
export type StateRequest = EventsRequest | ReachedRequest

/** The events; those that the caller does not know are left out of the answer. */
export interface EventsRequest {
  readonly ask: 'events'
  readonly ids: readonly EventId[]
}

/**
 * Which of the events `from` leads to over auth events, however far: those are to be the keys of the answer. `from` is
 * what the states agree on, most of a large room: its events are not read for this, only their edges.
 */
export interface ReachedRequest {
  readonly ask: 'reached'
  readonly ids: readonly EventId[]
  readonly from: readonly EventId[]
  /** Whether an event leads to itself. */
  readonly ownCounts: boolean
}

/** What is asked for a conflict alone, by who does not have what the states agree on. */
export type ConflictRequest = EventsRequest | AgreedRequest | Omit<ReachedRequest, 'from'>

/** The events that the states agree on under these keys; keys without any are left out of the answer. */
export interface AgreedRequest {
  readonly ask: 'agreed'
  readonly keys: readonly string[]
}

/**
 * How to resolve where Synapse departs from the text of the specification: whether an event counts to its own auth
 * chain, whether authorities are sought through events outside of the full conflicted set, whether power levels and
 * join rules under a state key are power events, and whether the oldest event stays where room version 1 allows none.
 * The rooms that exist are resolved as Synapse does.
 */
export type Reading = 'synapse' | 'text'

/** The events by id; of a `ReachedRequest` the keys alone count. */
export type StateAnswer = ReadonlyMap<EventId, StateEvent | undefined>

export type Resolving<Result, Request = ConflictRequest> = Generator<Request, Result, StateAnswer>

/** Ids in one request, so that an answer fits a query and a moment. */
export const REQUEST_IDS_MAX = 1000
/** Events held by one resolution, and events passed on the way through the rest of the state. */
export const RESOLUTION_EVENTS_MAX = 1_000_000

/** The events that a resolution holds; undefined stands for an event that the caller does not know. */
export type EventPool = Map<EventId, StateEvent | undefined>

/** Asks for those of the ids that the pool has not yet. Throws MatrixError M_TOO_LARGE over the limit. */
export function* load(pool: EventPool, ids: Iterable<EventId>): Resolving<void> {
  const wanted = [...new Set(ids)].filter((id) => !pool.has(id))
  checkEventCount(pool.size + wanted.length)
  for (let start = 0; start < wanted.length; start += REQUEST_IDS_MAX) {
    const chunk = wanted.slice(start, start + REQUEST_IDS_MAX)
    const answer = yield { ask: 'events', ids: chunk }
    for (const id of chunk) pool.set(id, answer.get(id))
  }
}

/** Puts into `state` what all states agree on under those of the keys that it lacks. */
export function* loadAgreed(pool: EventPool, keys: Iterable<string>, state: Map<string, EventId>): Resolving<void> {
  const wanted = [...new Set(keys)].filter((key) => !state.has(key))
  for (let start = 0; start < wanted.length; start += REQUEST_IDS_MAX) {
    const answer = yield { ask: 'agreed', keys: wanted.slice(start, start + REQUEST_IDS_MAX) }
    checkEventCount(pool.size + answer.size)
    for (const [id, event] of answer) {
      pool.set(id, event)
      if (event !== undefined && event.stateKey !== null) state.set(stateMapKey(event.type, event.stateKey), id)
    }
  }
}

/** Asks for the events and everything that they name as authority, directly or not. */
export function* loadAuthChains(pool: EventPool, ids: Iterable<EventId>): Resolving<void> {
  let frontier = new Set(ids)
  while (frontier.size > 0) {
    yield* load(pool, frontier)
    const next = new Set<EventId>()
    for (const id of frontier) {
      for (const named of pool.get(id)?.authEvents ?? []) if (!pool.has(named)) next.add(named)
    }
    frontier = next
  }
}

/** Throws MatrixError M_TOO_LARGE where a resolution would take more events than it may. */
export function checkEventCount(count: number): void {
  if (count <= RESOLUTION_EVENTS_MAX) return
  throw new MatrixError('M_TOO_LARGE', `The conflict reaches over more than ${RESOLUTION_EVENTS_MAX} events`)
}
