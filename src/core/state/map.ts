import type { EventId } from '../ids.ts'

/** A state: the event of every (type, state_key). */
export type StateMap = ReadonlyMap<string, EventId>

/** The key of a map entry: no type holds NUL, so it separates. */
export function stateMapKey(type: string, stateKey: string): string {
  return `${type}\u0000${stateKey}`
}
