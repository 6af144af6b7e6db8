import type { EventId } from '../event.ts'
import { createEventIdOf } from '../ids.ts'
import { type Level, powerLevelsOf } from '../power-levels.ts'
import type { RoomVersion } from '../room-version.ts'
import { reachable } from './auth-difference.ts'
import { Heap } from './heap.ts'
import type { EventPool, Reading, StateEvent } from './requests.ts'

/**
 * Reverse topological power ordering (Room version 2): authorities first, and among those that are ready the sender
 * of the highest level, then the oldest, then the smallest id. Events in a cycle, and what rests on them, are left out:
 * nothing can be first there.
 */
export function powerOrder(
  version: RoomVersion,
  pool: EventPool,
  ids: ReadonlySet<EventId>,
  reading: Reading,
): StateEvent[] {
  const waiting = new Map<EventId, number>()
  const naming = new Map<EventId, StateEvent[]>()
  const ready = new Heap<Candidate>(compareCandidates)
  for (const id of ids) {
    const event = pool.get(id)
    if (event === undefined) continue
    const before = reading === 'synapse' ? new Set(event.authEvents) : reachable(pool, event.authEvents)
    const named = [...before].filter((auth) => ids.has(auth) && pool.get(auth) !== undefined)
    for (const auth of named) {
      const names = naming.get(auth)
      if (names === undefined) naming.set(auth, [event])
      else names.push(event)
    }
    waiting.set(id, named.length)
    if (named.length === 0) ready.push({ event, level: senderLevel(version, pool, event) })
  }
  const ordered: StateEvent[] = []
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    ordered.push(next.event)
    for (const event of naming.get(next.event.eventId) ?? []) {
      const left = (waiting.get(event.eventId) ?? 0) - 1
      waiting.set(event.eventId, left)
      if (left === 0) ready.push({ event, level: senderLevel(version, pool, event) })
    }
  }
  return ordered
}

interface Candidate {
  readonly event: StateEvent
  readonly level: Level
}

function compareCandidates(a: Candidate, b: Candidate): number {
  if (a.level !== b.level) return a.level > b.level ? -1 : 1
  return compareAge(a.event, b.event)
}

function compareAge(a: StateEvent, b: StateEvent): number {
  if (a.originServerTs !== b.originServerTs) return a.originServerTs < b.originServerTs ? -1 : 1
  // UTF-8 sorts by code point, as other servers do; UTF-16 would not.
  return a.eventId === b.eventId ? 0 : Buffer.compare(Buffer.from(a.eventId), Buffer.from(b.eventId))
}

/** The level by the events that the event itself names. */
function senderLevel(version: RoomVersion, pool: EventPool, event: StateEvent): Level {
  const create = version.roomIdIsCreateHash
    ? pool.get(createEventIdOf(event.roomId))
    : namedEvent(pool, event, 'm.room.create', '')
  return powerLevelsOf(version, create, namedPowerLevels(pool, event)).ofUser(event.sender)
}

/**
 * Mainline ordering (Room version 2) by this power levels event: what rests on the oldest levels first, then by age,
 * then by id.
 */
export function mainlineOrder(
  pool: EventPool,
  events: readonly StateEvent[],
  powerLevels: EventId | undefined,
): StateEvent[] {
  const positions = new Map<EventId, number>()
  let next = powerLevels === undefined ? undefined : pool.get(powerLevels)
  while (next !== undefined && !positions.has(next.eventId)) {
    positions.set(next.eventId, positions.size)
    next = namedPowerLevels(pool, next)
  }
  const placed = events.map((event) => ({ event, position: mainlinePosition(pool, event, positions) }))
  placed.sort((a, b) => {
    if (a.position !== b.position) return a.position > b.position ? -1 : 1
    return compareAge(a.event, b.event)
  })
  return placed.map(({ event }) => event)
}

/** Remembers in `positions` what it passes, so that all events together walk each power levels event once. */
function mainlinePosition(pool: EventPool, event: StateEvent, positions: Map<EventId, number>): number {
  const passed = new Set<EventId>()
  let next = namedPowerLevels(pool, event)
  while (next !== undefined && !positions.has(next.eventId) && !passed.has(next.eventId)) {
    passed.add(next.eventId)
    next = namedPowerLevels(pool, next)
  }
  const position = (next === undefined ? undefined : positions.get(next.eventId)) ?? Number.POSITIVE_INFINITY
  for (const id of passed) positions.set(id, position)
  return position
}

function namedPowerLevels(pool: EventPool, event: StateEvent): StateEvent | undefined {
  return namedEvent(pool, event, 'm.room.power_levels', '')
}

function namedEvent(pool: EventPool, event: StateEvent, type: string, stateKey: string): StateEvent | undefined {
  for (const id of event.authEvents) {
    const named = pool.get(id)
    if (named?.type === type && named.stateKey === stateKey) return named
  }
  return undefined
}
