import type { EventId } from '../event.ts'
import type { StateMap } from './map.ts'

export interface Split {
  readonly unconflicted: Map<string, EventId>
  /** The different events of every other key. */
  readonly conflicted: Map<string, Set<EventId>>
}

/**
 * The keys on which the sets agree, and the others. Room version 1 sees no conflict in a key that some of the sets
 * lack; later ones do.
 */
export function splitStates(sets: readonly StateMap[], absenceConflicts: boolean): Split {
  const unconflicted = new Map<string, EventId>()
  const conflicted = new Map<string, Set<EventId>>()
  const holders = new Map<string, number>()
  for (const set of sets) {
    for (const [key, id] of set) {
      const known = unconflicted.get(key)
      if (known === undefined) unconflicted.set(key, id)
      else if (known !== id) addTo(conflicted, key, known, id)
      holders.set(key, (holders.get(key) ?? 0) + 1)
    }
  }
  for (const [key, id] of unconflicted) {
    if (absenceConflicts && holders.get(key) !== sets.length) addTo(conflicted, key, id)
  }
  for (const key of conflicted.keys()) unconflicted.delete(key)
  return { unconflicted, conflicted }
}

function addTo(conflicted: Map<string, Set<EventId>>, key: string, ...ids: readonly EventId[]): void {
  const events = conflicted.get(key) ?? new Set()
  for (const id of ids) events.add(id)
  conflicted.set(key, events)
}
