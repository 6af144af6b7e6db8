import { createHash } from 'node:crypto'
import { authorise } from '../../../src/core/auth/authorise.ts'
import type { AuthEvent, EventId } from '../../../src/core/event.ts'
import { own } from '../../../src/core/json.ts'
import { type Level, powerLevelsOf } from '../../../src/core/power-levels.ts'
import type { RoomVersion } from '../../../src/core/room-version.ts'

export type NaiveEvent = AuthEvent & { readonly rejected?: boolean }
export type NaiveState = ReadonlyMap<string, EventId>

/** One deliberate mistake, for the test that shows that the comparison would see it. */
export type Fault =
  | 'ids descending'
  | 'times ignored'
  | 'sender levels ignored'
  | 'mainline ignored'
  | 'no auth difference'
  | 'no subgraph'
  | 'no auth fallback'
  | 'rejected auth events used'
  | 'unconflicted not restored'
  | 'start state swapped'
  | 'power events not first'
  | 'hashes ascending'
  | 'depth ignored'
  | 'absent is conflicted'
  | 'last passing event not found'

/**
 * 'text': the specification to the letter, and nothing else: each function below was read again beside Rooms, "State
 * resolution" of versions 1, 2 and 12. 'synapse': what the servers in use do alike instead, five places taken from
 * their behaviour. In version 1, of other events none of which is allowed, the oldest stays. In the auth difference an
 * event counts to its own chain. What power events rest on is sought through the full conflicted set only, and ordered
 * by direct links only. Power levels and join rules are power events under the empty state key only.
 */
export type NaiveReading = 'synapse' | 'text'

interface Room {
  readonly version: RoomVersion
  readonly events: ReadonlyMap<EventId, NaiveEvent>
  readonly chains: Map<EventId, ReadonlySet<EventId>>
  readonly fault: Fault | undefined
  readonly reading: NaiveReading
}

/**
 * A second state resolution, written from the text of the specification alone: sets and whole auth chains, no
 * cleverness. `events` may grow between calls; it holds every event of the room with its whole auth chain. What it
 * shares with the code under test: `authorise` and `powerLevelsOf`, which have an oracle of their own
 * (`../auth/naive-authorise.ts`) and cases for each rule, and nothing of `src/core/state`. Where the text leaves
 * something open: in version 1 the keys of one pass do not see each other, and sha1 is compared as hex.
 */
export function naiveResolver(
  version: RoomVersion,
  events: ReadonlyMap<EventId, NaiveEvent>,
  fault?: Fault,
  reading: NaiveReading = 'text',
): (states: readonly NaiveState[]) => NaiveState {
  const room: Room = { version, events, chains: new Map(), fault, reading }
  return (states) => (version.stateResolution === 'v1' ? resolveFirst(room, states) : resolveSecond(room, states))
}

/** The key of a state map; the same text as the code under test uses. */
export function naiveKey(type: string, stateKey: string): string {
  return `${type}\u0000${stateKey}`
}

/** Room version 1, "State resolution". */
function resolveFirst(room: Room, states: readonly NaiveState[]): NaiveState {
  const candidates = new Map<string, Set<EventId>>()
  for (const state of states) {
    for (const [key, id] of state) candidates.set(key, (candidates.get(key) ?? new Set()).add(id))
  }
  const resolved = new Map<string, EventId>()
  const conflicts = new Map<string, NaiveEvent[]>()
  for (const [key, ids] of candidates) {
    const everywhere = room.fault !== 'absent is conflicted' || states.every((state) => state.has(key))
    if (ids.size === 1 && everywhere) resolved.set(key, [...ids][0]!)
    else conflicts.set(key, sortByDepth(room, ids))
  }
  for (const type of ['m.room.power_levels', 'm.room.join_rules', 'm.room.member']) {
    // The text gives no order among the keys of one pass, so none of them sees the result of another.
    const passed = [...conflicts].filter(([key]) => typeOf(key) === type)
    const results = passed.map(([key, list]) => [key, lastOfUnbrokenRun(room, resolved, key, list)] as const)
    for (const [key, id] of results) resolved.set(key, id)
    for (const [key] of passed) conflicts.delete(key)
  }
  const snapshot = new Map(resolved)
  for (const [key, list] of conflicts) {
    const highestFirst = room.fault === 'last passing event not found' ? list : [...list].reverse()
    const found = highestFirst.find((event) => allowedIn(room, event, snapshot))
    if (found) resolved.set(key, found.eventId)
    else if (room.reading === 'synapse') resolved.set(key, list[0]!.eventId)
  }
  return resolved
}

function sortByDepth(room: Room, ids: ReadonlySet<EventId>): NaiveEvent[] {
  const direction = room.fault === 'hashes ascending' ? -1 : 1
  return [...ids]
    .map((id) => eventOf(room, id))
    .sort((x, y) => {
      if (x.depth !== y.depth && room.fault !== 'depth ignored') return x.depth - y.depth
      return sha1(x.eventId) < sha1(y.eventId) ? direction : -direction
    })
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}

function lastOfUnbrokenRun(room: Room, resolved: NaiveState, key: string, list: readonly NaiveEvent[]): EventId {
  const state = new Map(resolved)
  let last = list[0]!
  state.set(key, last.eventId)
  for (const event of list.slice(1)) {
    if (!allowedIn(room, event, state)) break
    last = event
    state.set(key, last.eventId)
  }
  return last.eventId
}

function allowedIn(room: Room, event: NaiveEvent, state: NaiveState): boolean {
  return authorise(room.version, event, (type, stateKey) => {
    const id = state.get(naiveKey(type, stateKey))
    return id === undefined ? undefined : eventOf(room, id)
  }).allowed
}

/** Room versions 2 to 11, and 12 with what it changed. */
function resolveSecond(room: Room, states: readonly NaiveState[]): NaiveState {
  const { unconflicted, conflicted } = split(states)
  const full = fullConflictedSet(room, states, conflicted)
  const picked = powerEventsAndTheirChains(room, full)
  const swap = room.fault === 'start state swapped'
  const startsEmpty = (room.version.stateResolution === 'v2.1') !== swap
  const start: NaiveState = startsEmpty ? new Map() : unconflicted
  const partial = iterativeAuthChecks(room, start, reverseTopologicalPowerOrder(room, picked))
  const remaining = [...full].filter((id) => !picked.has(id)).map((id) => eventOf(room, id))
  const resolved = iterativeAuthChecks(room, partial, mainlineOrder(room, remaining, partial))
  if (room.fault !== 'unconflicted not restored') {
    for (const [key, id] of unconflicted) resolved.set(key, id)
  }
  return resolved
}

function split(states: readonly NaiveState[]): { unconflicted: NaiveState; conflicted: ReadonlySet<EventId> } {
  const unconflicted = new Map<string, EventId>()
  const conflicted = new Set<EventId>()
  for (const state of states) {
    for (const [key, id] of state) {
      if (states.every((other) => other.get(key) === id)) unconflicted.set(key, id)
      else conflicted.add(id)
    }
  }
  return { unconflicted, conflicted }
}

function fullConflictedSet(
  room: Room,
  states: readonly NaiveState[],
  conflicted: ReadonlySet<EventId>,
): ReadonlySet<EventId> {
  const full = new Set(conflicted)
  if (room.fault !== 'no auth difference') {
    const chains = states.map((state) => fullAuthChain(room, state))
    for (const chain of chains) {
      for (const id of chain) if (!chains.every((other) => other.has(id))) full.add(id)
    }
  }
  if (room.version.stateResolution === 'v2.1' && room.fault !== 'no subgraph') {
    for (const top of conflicted) {
      for (const between of authChain(room, top)) {
        const below = authChain(room, between)
        if ([...conflicted].some((bottom) => below.has(bottom))) full.add(between)
      }
    }
  }
  return full
}

function fullAuthChain(room: Room, state: NaiveState): ReadonlySet<EventId> {
  const chain = new Set([...state.values()].flatMap((id) => [...authChain(room, id)]))
  if (room.reading === 'synapse') for (const id of state.values()) chain.add(id)
  return chain
}

/** Everything reachable over `auth_events`, without the event itself. */
function authChain(room: Room, id: EventId): ReadonlySet<EventId> {
  const known = room.chains.get(id)
  if (known) return known
  const chain = new Set<EventId>()
  const waiting = [...eventOf(room, id).authEvents]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (chain.has(next)) continue
    chain.add(next)
    waiting.push(...eventOf(room, next).authEvents)
  }
  room.chains.set(id, chain)
  return chain
}

function powerEventsAndTheirChains(room: Room, full: ReadonlySet<EventId>): ReadonlySet<EventId> {
  const picked = new Set<EventId>()
  if (room.fault === 'power events not first') return picked
  for (const id of full) {
    if (!isPowerEvent(room, eventOf(room, id))) continue
    picked.add(id)
    const chain = room.reading === 'synapse' ? chainWithin(room, id, full) : authChain(room, id)
    for (const earlier of chain) if (full.has(earlier)) picked.add(earlier)
  }
  return picked
}

function chainWithin(room: Room, id: EventId, full: ReadonlySet<EventId>): ReadonlySet<EventId> {
  const chain = new Set<EventId>()
  const waiting = [...eventOf(room, id).authEvents]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (chain.has(next) || !full.has(next)) continue
    chain.add(next)
    waiting.push(...eventOf(room, next).authEvents)
  }
  return chain
}

function isPowerEvent(room: Room, event: NaiveEvent): boolean {
  if (event.stateKey === null) return false
  if (event.type === 'm.room.power_levels' || event.type === 'm.room.join_rules') {
    return room.reading === 'text' || event.stateKey === ''
  }
  if (event.type !== 'm.room.member' || event.sender === event.stateKey) return false
  const membership = own(event.content, 'membership')
  return membership === 'leave' || membership === 'ban'
}

/** Kahn's algorithm, searching the smallest candidate anew at each step. */
function reverseTopologicalPowerOrder(room: Room, picked: ReadonlySet<EventId>): readonly NaiveEvent[] {
  const remaining = new Set(picked)
  const levels = new Map([...picked].map((id) => [id, senderLevel(room, eventOf(room, id))]))
  const before = (id: EventId) => (room.reading === 'synapse' ? eventOf(room, id).authEvents : authChain(room, id))
  const ordered: NaiveEvent[] = []
  while (remaining.size > 0) {
    const candidates = [...remaining].filter((id) => ![...before(id)].some((earlier) => remaining.has(earlier)))
    const smallest = candidates
      .map((id) => eventOf(room, id))
      .reduce((x, y) => {
        const [levelX, levelY] = [levels.get(x.eventId)!, levels.get(y.eventId)!]
        if (levelX !== levelY) return levelX > levelY ? x : y
        return compareTimeAndId(room, x, y) < 0 ? x : y
      })
    remaining.delete(smallest.eventId)
    ordered.push(smallest)
  }
  return ordered
}

function senderLevel(room: Room, event: NaiveEvent): Level {
  if (room.fault === 'sender levels ignored') return 0
  const create = amongAuthEvents(room, event, 'm.room.create', '')
  const levels = amongAuthEvents(room, event, 'm.room.power_levels', '')
  // The create event has no auth events to look at, and no other event can be a candidate before it.
  if (create === undefined) return 0
  return powerLevelsOf(room.version, create, levels).ofUser(event.sender)
}

function compareTimeAndId(room: Room, x: NaiveEvent, y: NaiveEvent): number {
  if (room.fault !== 'times ignored' && x.originServerTs !== y.originServerTs) {
    return x.originServerTs - y.originServerTs
  }
  const byId = x.eventId < y.eventId ? -1 : x.eventId > y.eventId ? 1 : 0
  return room.fault === 'ids descending' ? -byId : byId
}

function mainlineOrder(room: Room, events: readonly NaiveEvent[], partial: NaiveState): readonly NaiveEvent[] {
  const top = partial.get(naiveKey('m.room.power_levels', ''))
  const mainline = top === undefined ? [] : [top, ...powerLevelsBelow(room, eventOf(room, top))]
  const positions = new Map<EventId, number>()
  for (const event of events) {
    const met = powerLevelsBelow(room, event).find((id) => mainline.includes(id))
    const position = met === undefined ? Number.POSITIVE_INFINITY : mainline.indexOf(met)
    positions.set(event.eventId, room.fault === 'mainline ignored' ? 0 : position)
  }
  return [...events].sort((x, y) => {
    const [positionX, positionY] = [positions.get(x.eventId)!, positions.get(y.eventId)!]
    if (positionX !== positionY) return positionX > positionY ? -1 : 1
    return compareTimeAndId(room, x, y)
  })
}

/** The power levels that an event cites, those that these cite, and so on. */
function powerLevelsBelow(room: Room, event: NaiveEvent): readonly EventId[] {
  const found: EventId[] = []
  let next = citedPowerLevels(room, event)
  while (next !== undefined) {
    found.push(next.eventId)
    next = citedPowerLevels(room, next)
  }
  return found
}

function citedPowerLevels(room: Room, event: NaiveEvent): NaiveEvent | undefined {
  return event.authEvents
    .map((id) => eventOf(room, id))
    .find((cited) => cited.type === 'm.room.power_levels' && cited.stateKey === '')
}

function iterativeAuthChecks(room: Room, start: NaiveState, events: readonly NaiveEvent[]): Map<string, EventId> {
  const state = new Map(start)
  for (const event of events) {
    if (event.stateKey === null) throw new Error(`${event.eventId} is no state event`)
    const verdict = authorise(room.version, event, (type, stateKey) => {
      const id = state.get(naiveKey(type, stateKey))
      if (id !== undefined) return eventOf(room, id)
      if (room.fault === 'no auth fallback' && type !== 'm.room.create') return undefined
      const cited = amongAuthEvents(room, event, type, stateKey)
      if (room.fault === 'rejected auth events used') return cited
      return cited?.rejected === true ? undefined : cited
    })
    if (verdict.allowed) state.set(naiveKey(event.type, event.stateKey), event.eventId)
  }
  return state
}

/** In version 12 the create event is cited by the room id alone. */
function amongAuthEvents(room: Room, event: NaiveEvent, type: string, stateKey: string): NaiveEvent | undefined {
  if (type === 'm.room.create' && room.version.roomIdIsCreateHash) {
    return eventOf(room, `$${event.roomId.slice(1)}` as EventId)
  }
  return event.authEvents
    .map((id) => eventOf(room, id))
    .find((cited) => cited.type === type && cited.stateKey === stateKey)
}

function eventOf(room: Room, id: EventId): NaiveEvent {
  const event = room.events.get(id)
  if (event === undefined) throw new Error(`the room has no event ${id}`)
  return event
}

function typeOf(key: string): string {
  return key.slice(0, key.indexOf('\u0000'))
}
