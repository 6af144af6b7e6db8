import { type Reading, resolveState, runResolution } from '../../../src/core/state/resolve.ts'
import { diceOf } from './dice.ts'
import { type NaiveState, naiveResolver } from './naive-resolver.ts'
import type { RandomRoom } from './random-dag.ts'

export type Resolver = (room: RandomRoom, states: readonly NaiveState[]) => NaiveState

export interface Difference {
  /** Which of the room's merges. */
  readonly merge: number
  readonly key: string
  readonly expected: string | undefined
  readonly actual: string | undefined
}

/** The code under test, with all of the room in memory. */
export function underTest(reading: Reading): Resolver {
  return (room, states) => {
    return runResolution(resolveState(room.version, states, reading), (ids) => {
      return new Map(ids.flatMap((id) => (room.events.has(id) ? [[id, room.events.get(id)!] as const] : [])))
    })
  }
}

/** Where the resolver, given the states and their entries in another order, departs from the naive one. */
export function differences(
  room: RandomRoom,
  resolver: Resolver,
  reading: Reading,
  mergesMax = Number.POSITIVE_INFINITY,
): Difference[] {
  const dice = diceOf(room.events.size)
  const oracle = naiveResolver(room.version, room.events, undefined, reading)
  const found: Difference[] = []
  const first = Math.max(0, room.merges.length - mergesMax)
  for (const [index, states] of room.merges.slice(first).entries()) {
    const expected = oracle(states)
    const shuffled = dice.shuffle(states).map((state) => new Map(dice.shuffle([...state])))
    const actual = resolver(room, shuffled)
    for (const key of new Set([...expected.keys(), ...actual.keys()])) {
      if (expected.get(key) === actual.get(key)) continue
      found.push({ merge: first + index, key, expected: expected.get(key), actual: actual.get(key) })
    }
  }
  return found
}
