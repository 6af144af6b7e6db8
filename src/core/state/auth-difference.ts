import type { EventId } from '../event.ts'
import type { StateMap } from './map.ts'
import type { EventPool, Reading, Resolving } from './requests.ts'

/**
 * The auth difference (Room version 2, "Auth difference") beyond the conflicted events themselves: what some but not
 * all of the states rest on. An event counts to its own chain in Synapse, and not by the text. `pool` holds the
 * auth chains of the conflicted events, and nothing outside of them can be in the difference. `parts`: what each state
 * has under the conflicted keys.
 */
export function* authDifference(
  pool: EventPool,
  parts: readonly StateMap[],
  conflicted: ReadonlySet<EventId>,
  reading: Reading,
): Resolving<Set<EventId>> {
  const reachedBySets = new Map<EventId, number>()
  for (const part of parts) {
    const ends = [...part.values()]
    const starts = reading === 'synapse' ? ends : ends.flatMap((id) => pool.get(id)?.authEvents ?? [])
    for (const id of reachable(pool, starts)) reachedBySets.set(id, (reachedBySets.get(id) ?? 0) + 1)
  }
  const difference = new Set<EventId>()
  for (const [id, count] of reachedBySets) {
    if (count < parts.length && pool.get(id) !== undefined) difference.add(id)
  }
  for (const id of conflicted) difference.delete(id)
  // What the unconflicted events rest on is in the chain of every state.
  if (difference.size > 0) {
    const reached = yield { ask: 'reached', ids: [...difference], ownCounts: reading === 'synapse' }
    for (const id of reached.keys()) difference.delete(id)
  }
  return difference
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

/** The events and all that they name, directly or not, as far as the pool goes and only through events `within`. */
export function reachable(pool: EventPool, ends: readonly EventId[], within?: ReadonlySet<EventId>): Set<EventId> {
  const stack = [...ends]
  const found = new Set(stack)
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    for (const named of pool.get(id)?.authEvents ?? []) {
      if (found.has(named) || within?.has(named) === false) continue
      found.add(named)
      stack.push(named)
    }
  }
  return found
}
