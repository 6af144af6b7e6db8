import { authorise } from '../auth/authorise.ts'
import { authStateKeys } from '../auth/select.ts'
import type { EventId } from '../event.ts'
import { sha1Hex } from '../hash.ts'
import type { RoomVersion } from '../room-version.ts'
import { conflictedEvents } from './conflict.ts'
import { type StateMap, stateMapKey } from './map.ts'
import { type EventPool, load, loadAgreed, type Reading, type Resolving, type StateEvent } from './requests.ts'

const AUTHORITIES = ['m.room.power_levels', 'm.room.join_rules', 'm.room.member'] as const

/** State resolution of room version 1. Returns what it has chosen, as `resolveV2` does. */
export function* resolveV1(version: RoomVersion, parts: readonly StateMap[], reading: Reading): Resolving<StateMap> {
  const conflicted = conflictedEvents(parts)
  const state = new Map<string, EventId>()
  const pool: EventPool = new Map()
  yield* load(
    pool,
    [...conflicted.values()].flatMap((ids) => [...ids]),
  )
  yield* loadAuthorities(version, pool, state)

  const candidates = new Map<string, Candidate[]>()
  for (const [key, ids] of conflicted) {
    const events = [...ids].flatMap((id) => pool.get(id) ?? [])
    if (events.length > 0) candidates.set(key, events.map(candidateOf).sort(compareCandidates))
  }
  for (const type of AUTHORITIES) {
    // Conflicts of one type do not see each other's outcome.
    const before = new Map(state)
    for (const [key, ordered] of ofType(candidates, type)) {
      state.set(key, lastInUnbrokenRow(version, pool, ordered, before).eventId)
      candidates.delete(key)
    }
  }
  const reader = readerOf(pool, new Map(state))
  for (const [key, ordered] of candidates) {
    const newestFirst = ordered.map(({ event }) => event).reverse()
    const oldest = reading === 'synapse' ? newestFirst.at(-1) : undefined
    const chosen = newestFirst.find((event) => authorise(version, event, reader).allowed) ?? oldest
    if (chosen !== undefined) state.set(key, chosen.eventId)
  }
  return state
}

/** The unconflicted events that the checks will read. */
function* loadAuthorities(version: RoomVersion, pool: EventPool, state: Map<string, EventId>): Resolving<void> {
  const keys = new Set<string>()
  for (const event of pool.values()) {
    if (event === undefined) continue
    for (const [type, stateKey] of authStateKeys(version, event)) keys.add(stateMapKey(type, stateKey))
  }
  yield* loadAgreed(pool, keys, state)
}

interface Candidate {
  readonly event: StateEvent
  readonly sha1: string
}

function candidateOf(event: StateEvent): Candidate {
  return { event, sha1: sha1Hex(event.eventId) }
}

/** Ascending depth, then descending hash. */
function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.event.depth !== b.event.depth) return a.event.depth < b.event.depth ? -1 : 1
  return a.sha1 === b.sha1 ? 0 : a.sha1 > b.sha1 ? -1 : 1
}

function ofType(candidates: ReadonlyMap<string, Candidate[]>, type: string): [string, Candidate[]][] {
  return [...candidates].filter(([key]) => key.startsWith(stateMapKey(type, '')))
}

/** The first is taken as it is, and each next one while the rules allow it after the one before. */
function lastInUnbrokenRow(
  version: RoomVersion,
  pool: EventPool,
  ordered: readonly Candidate[],
  state: StateMap,
): StateEvent {
  const [first, ...others] = ordered.map(({ event }) => event) as [StateEvent, ...StateEvent[]]
  let last = first
  for (const event of others) {
    const read = readerOf(pool, state)
    const held = (type: string, stateKey: string) =>
      type === last.type && stateKey === last.stateKey ? last : read(type, stateKey)
    if (!authorise(version, event, held).allowed) break
    last = event
  }
  return last
}

function readerOf(pool: EventPool, state: StateMap): (type: string, stateKey: string) => StateEvent | undefined {
  return (type, stateKey) => {
    const id = state.get(stateMapKey(type, stateKey))
    return id === undefined ? undefined : pool.get(id)
  }
}
