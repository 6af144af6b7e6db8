import type { EventId } from '../event.ts'
import type { StateMap } from './map.ts'
import { checkEventCount, type EventPool, REQUEST_IDS_MAX, type Reading, type Resolving } from './requests.ts'

/**
 * The auth difference (Room version 2, "Auth difference") beyond the conflicted events themselves: what some but not
 * all of the states rest on. An event counts to its own chain in Synapse, and not by the text. `pool` holds the
 * auth chains of the
 * conflicted events, and nothing outside of them can be in the difference.
 */
export function* authDifference(
  pool: EventPool,
  sets: readonly StateMap[],
  conflicted: ReadonlyMap<string, ReadonlySet<EventId>>,
  unconflicted: StateMap,
  reading: Reading,
): Resolving<Set<EventId>> {
  const reachedBySets = new Map<EventId, number>()
  for (const set of sets) {
    const ends = [...conflicted.keys()].flatMap((key) => set.get(key) ?? [])
    const starts = reading === 'synapse' ? ends : ends.flatMap((id) => pool.get(id)?.authEvents ?? [])
    for (const id of reachable(pool, starts)) reachedBySets.set(id, (reachedBySets.get(id) ?? 0) + 1)
  }
  const difference = new Set<EventId>()
  for (const [id, count] of reachedBySets) {
    if (count < sets.length && pool.get(id) !== undefined) difference.add(id)
  }
  for (const events of conflicted.values()) for (const id of events) difference.delete(id)
  if (difference.size === 0) return difference
  const starts = [...unconflicted.values()]
  yield* removeReached(pool, difference, reading === 'synapse' ? starts : yield* namedBy(starts))
  return difference
}

/**
 * What the unconflicted events rest on is in the chain of every state. They are walked only while events are left that
 * this could decide about, and without keeping them: they may be most of a large room.
 */
function* removeReached(pool: EventPool, difference: Set<EventId>, starts: EventId[]): Resolving<void> {
  const passed = new Set<EventId>()
  let frontier = starts
  while (frontier.length > 0 && difference.size > 0) {
    const next: EventId[] = []
    for (let start = 0; start < frontier.length && difference.size > 0; start += REQUEST_IDS_MAX) {
      const chunk = [...new Set(frontier.slice(start, start + REQUEST_IDS_MAX))].filter((id) => !passed.has(id))
      for (const id of chunk) passed.add(id)
      checkEventCount(passed.size)
      const inside = chunk.filter((id) => pool.has(id))
      for (const id of reachable(pool, inside, passed)) difference.delete(id)
      const outside = chunk.filter((id) => !pool.has(id))
      if (outside.length === 0) continue
      const answer = yield { ask: 'events', ids: outside }
      for (const id of outside) for (const named of answer.get(id)?.authEvents ?? []) next.push(named)
    }
    frontier = next.filter((id) => !passed.has(id))
  }
}

function* namedBy(ids: readonly EventId[]): Resolving<EventId[]> {
  const named: EventId[] = []
  for (let start = 0; start < ids.length; start += REQUEST_IDS_MAX) {
    const answer = yield { ask: 'events', ids: ids.slice(start, start + REQUEST_IDS_MAX) }
    for (const event of answer.values()) for (const id of event.authEvents) named.push(id)
  }
  return named
}

/**
 * The conflicted state subgraph (Room version 12): all events on ways between conflicted events. `pool` holds what the
 * conflicted events lead to; of that, these lead to conflicted events again.
 */
export function conflictedSubgraph(pool: EventPool, conflicted: Iterable<EventId>): Set<EventId> {
  const naming = new Map<EventId, EventId[]>()
  for (const [id, event] of pool) {
    for (const named of event?.authEvents ?? []) {
      const names = naming.get(named)
      if (names === undefined) naming.set(named, [id])
      else names.push(id)
    }
  }
  const stack = [...conflicted]
  const found = new Set(stack)
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    for (const above of naming.get(id) ?? []) {
      if (found.has(above)) continue
      found.add(above)
      stack.push(above)
    }
  }
  return found
}

/**
 * The events and all that they name, directly or not, as far as the pool goes and only through events `within`. Passes
 * over what was `passed` before, and adds to it.
 */
export function reachable(
  pool: EventPool,
  ends: readonly EventId[],
  passed?: Set<EventId>,
  within?: ReadonlySet<EventId>,
): Set<EventId> {
  const stack = [...ends]
  const found = new Set(stack)
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    passed?.add(id)
    for (const named of pool.get(id)?.authEvents ?? []) {
      if (found.has(named) || passed?.has(named) || within?.has(named) === false) continue
      found.add(named)
      stack.push(named)
    }
  }
  return found
}
