import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { roomVersion } from '../../../src/core/room-version.ts'
import { differences, type Resolver, underTest } from './differential.ts'
import { type Fault, naiveResolver } from './naive-resolver.ts'
import { type RandomRoom, randomRoom, randomRooms } from './random-dag.ts'

const READINGS = ['synapse', 'text'] as const
const VERSIONS = ['1', '2', '6', '10', '11', '12']
/** Together 504 rooms. */
const ROOMS_PER_VERSION = 84
const EXTRA_MERGES = 3
const MIN_EVENTS = 40
const MAX_EVENTS = 80
const SEED = 20_260_101
const FAULTY_ROOMS_MAX = 120
const TIME_MAX_MS = 60_000

describe('state resolution against a second resolver written from the specification', () => {
  it.each(VERSIONS)(
    'gives the same state in random rooms of version %s, in any order of the sets',
    (id) => {
      const rooms = randomRooms({ version: roomVersion(id)!, extraMerges: EXTRA_MERGES }, MIN_EVENTS, MAX_EVENTS)
      const property = fc.property(rooms, (room) => {
        for (const reading of READINGS) expect(differences(room, underTest(reading), reading)).toEqual([])
      })
      fc.assert(property, { numRuns: ROOMS_PER_VERSION, seed: SEED })
    },
    TIME_MAX_MS,
  )

  it.each(VERSIONS)('does not depend on the order of the sets in version %s', (id) => {
    for (const room of someRooms(id, 3)) {
      for (const states of room.merges) {
        const forwards = [...underTest('synapse')(room, states)].sort()
        expect([...underTest('synapse')(room, [...states].reverse())].sort()).toEqual(forwards)
      }
    }
  })
})

describe('the comparison itself', () => {
  const cases: readonly (readonly [version: string, fault: Fault])[] = [
    ['1', 'hashes ascending'],
    ['1', 'depth ignored'],
    ['1', 'absent is conflicted'],
    ['1', 'last passing event not found'],
    ...(['2', '11', '12'] as const).flatMap((version) => [
      [version, 'ids descending'] as const,
      [version, 'times ignored'] as const,
      [version, 'sender levels ignored'] as const,
      [version, 'mainline ignored'] as const,
      [version, 'no auth difference'] as const,
      [version, 'rejected auth events used'] as const,
      [version, 'unconflicted not restored'] as const,
      [version, 'start state swapped'] as const,
      [version, 'power events not first'] as const,
    ]),
    ['12', 'no auth fallback'],
    ['12', 'no subgraph'],
  ]

  it.each(cases)(
    'sees, in version %s, the fault: %s',
    (id, fault) => {
      const faulty: Resolver = (room, states) => naiveResolver(room.version, room.events, fault)(states)
      expect(roomsUntilSeen(id, faulty)).toBeLessThanOrEqual(FAULTY_ROOMS_MAX)
    },
    TIME_MAX_MS,
  )

  it.each(VERSIONS)('has something to resolve in rooms of version %s', (id) => {
    const rooms = [...someRooms(id, 10)]
    const merges = rooms.flatMap((room) => room.merges)
    const conflicts = merges.filter((states) => differ(states))
    const types = new Set(rooms.flatMap((room) => [...room.events.values()].map((event) => event.type)))
    expect(rooms.every((room) => room.events.size >= MIN_EVENTS)).toBe(true)
    expect(conflicts.length).toBeGreaterThan(merges.length / 2)
    expect(types).toContain('m.room.power_levels')
    expect(types).toContain('m.room.join_rules')
    expect(types).toContain('m.room.topic')
  })
})

function* someRooms(id: string, count: number): Generator<RandomRoom> {
  const version = roomVersion(id)!
  for (let seed = 1; seed <= count; seed += 1)
    yield randomRoom({ version, extraMerges: EXTRA_MERGES }, seed, MAX_EVENTS)
}

/** How many rooms it took to see a difference; infinite: none of them showed one. */
function roomsUntilSeen(id: string, resolver: Resolver): number {
  let tried = 0
  for (const room of someRooms(id, FAULTY_ROOMS_MAX)) {
    tried += 1
    if (differences(room, resolver, 'text').length > 0) return tried
  }
  return Number.POSITIVE_INFINITY
}

function differ(states: readonly ReadonlyMap<string, string>[]): boolean {
  const keys = new Set(states.flatMap((state) => [...state.keys()]))
  return [...keys].some((key) => new Set(states.map((state) => state.get(key))).size > 1)
}
