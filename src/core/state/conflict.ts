import type { EventId } from '../event.ts'
import type { StateMap } from './map.ts'

export interface Split {
  /** The keys on which the sets agree. */
  readonly unconflicted: Map<string, EventId>
  /** What each of the sets has under every other key. */
  readonly parts: readonly StateMap[]
}

/**
 * The keys on which the sets agree, and the others. Room version 1 sees no conflict in a key that some of the sets
 * lack; later ones do. Yields between two sets, as states may be large.
 */
export function* splitStates(sets: readonly StateMap[], absenceConflicts: boolean): Generator<undefined, Split> {
  const [first = new Map<string, EventId>(), ...others] = sets
  const conflicted = new Set<string>()
  const lacking = new Map<string, EventId>()
  for (const set of others) {
    let shared = 0
    for (const [key, id] of set) {
      const known = first.get(key)
      if (known !== undefined) shared++
      if (known === id) continue
      const other = known ?? lacking.get(key)
      if (other === undefined) lacking.set(key, id)
      if (other === undefined ? absenceConflicts : other !== id) conflicted.add(key)
    }
    if (absenceConflicts && shared < first.size) {
      for (const key of first.keys()) if (!set.has(key)) conflicted.add(key)
    }
    yield
  }
  const unconflicted = new Map(first)
  if (!absenceConflicts) for (const [key, id] of lacking) unconflicted.set(key, id)
  for (const key of conflicted) unconflicted.delete(key)
  return { unconflicted, parts: sets.map((set) => partOf(set, conflicted)) }
}

function partOf(set: StateMap, keys: ReadonlySet<string>): StateMap {
  const part = new Map<string, EventId>()
  for (const key of keys) {
    const id = set.get(key)
    if (id !== undefined) part.set(key, id)
  }
  return part
}

/** The different events of every key. */
export function conflictedEvents(parts: readonly StateMap[]): Map<string, Set<EventId>> {
  const conflicted = new Map<string, Set<EventId>>()
  for (const part of parts) {
    for (const [key, id] of part) {
      const events = conflicted.get(key)
      if (events === undefined) conflicted.set(key, new Set([id]))
      else events.add(id)
    }
  }
  return conflicted
}
