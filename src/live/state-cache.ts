import { LRUCache } from 'lru-cache'
import type { StateMap } from '../core/state/map.ts'

/**
 * Whole states of rooms that were looked at lately. A stored state never changes, and who asks twice gets the same
 * object: two states that are one are told by that, however large they are.
 */
export interface StateCache {
  /** `name` says which state it is: of a snapshot, or after an event. */
  get(name: string): StateMap | undefined
  set(name: string, state: StateMap): void
  /** Members were put below states that lacked them. */
  clear(): void
}

/** Entries of all states together, some hundred bytes each; and states. */
const ENTRIES_MAX = 200_000
const STATES_MAX = 2_000

export function createStateCache(): StateCache {
  const states = new LRUCache<string, StateMap>({
    max: STATES_MAX,
    maxSize: ENTRIES_MAX,
    sizeCalculation: (state) => state.size + 1,
  })
  return {
    get: (name) => states.get(name),
    set: (name, state) => void states.set(name, state),
    clear: () => states.clear(),
  }
}
