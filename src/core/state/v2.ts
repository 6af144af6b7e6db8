import type { EventId } from '../event.ts'
import { createEventIdOf } from '../ids.ts'
import { own } from '../json.ts'
import type { RoomVersion } from '../room-version.ts'
import { authDifference, conflictedSubgraph, reachable } from './auth-difference.ts'
import { conflictedEvents } from './conflict.ts'
import { iterativeAuthChecks } from './iterate.ts'
import { type StateMap, stateMapKey } from './map.ts'
import { mainlineOrder, powerOrder } from './order.ts'
import {
  type EventPool,
  load,
  loadAgreed,
  loadAuthChains,
  type Reading,
  type Resolving,
  type StateEvent,
} from './requests.ts'

/**
 * State resolution of room versions 2 to 11, and of 12, which starts from nothing and looks between the conflicted.
 * Returns what it has chosen, among other keys for all conflicted ones. It may have chosen under keys without a
 * conflict, too: what the states agree on has to stay.
 */
export function* resolveV2(version: RoomVersion, parts: readonly StateMap[], reading: Reading): Resolving<StateMap> {
  const pool: EventPool = new Map()
  const ends = new Set([...conflictedEvents(parts).values()].flatMap((ids) => [...ids]))
  yield* loadAuthChains(pool, ends)
  const full = yield* authDifference(pool, parts, ends, reading)
  for (const id of ends) if (pool.get(id) !== undefined) full.add(id)
  const startsEmpty = version.stateResolution === 'v2.1'
  if (startsEmpty) for (const id of conflictedSubgraph(pool, ends)) if (pool.get(id) !== undefined) full.add(id)
  if (version.roomIdIsCreateHash) yield* load(pool, createEvents(pool, full))

  const powerIds = withAuthorities(pool, full, reading)
  const state = new Map<string, EventId>()
  yield* iterativeAuthChecks(version, pool, powerOrder(version, pool, powerIds, reading), state)

  const rest = [...full].filter((id) => !powerIds.has(id)).flatMap((id) => pool.get(id) ?? [])
  const levels = stateMapKey('m.room.power_levels', '')
  if (!startsEmpty) yield* loadAgreed(pool, [levels], state)
  const powerLevels = state.get(levels)
  // The levels may be unconflicted, and then their history is not held yet.
  if (powerLevels !== undefined) yield* loadPowerLevelsHistory(pool, powerLevels)
  yield* iterativeAuthChecks(version, pool, mainlineOrder(pool, rest, powerLevels), state)
  return state
}

function createEvents(pool: EventPool, ids: ReadonlySet<EventId>): Set<EventId> {
  return new Set([...ids].flatMap((id) => pool.get(id) ?? []).map((event) => createEventIdOf(event.roomId)))
}

/** The power events of the full conflicted set, and what of it they rest on. */
function withAuthorities(pool: EventPool, full: ReadonlySet<EventId>, reading: Reading): Set<EventId> {
  const powerEvents = [...full].filter((id) => isPowerEvent(pool.get(id), reading))
  if (reading === 'synapse') return reachable(pool, powerEvents, full)
  return new Set([...reachable(pool, powerEvents)].filter((id) => full.has(id)))
}

/** By the text power levels and join rules are power events under any state key, also those without effect. */
function isPowerEvent(event: StateEvent | undefined, reading: Reading): boolean {
  if (event === undefined) return false
  if (event.type === 'm.room.power_levels' || event.type === 'm.room.join_rules') {
    return event.stateKey === '' || reading === 'text'
  }
  if (event.type !== 'm.room.member' || event.stateKey === null || event.stateKey === event.sender) return false
  const membership = own(event.content, 'membership')
  return membership === 'leave' || membership === 'ban'
}

/** The power levels event, the one that it names, and so on; with the events named beside them. */
function* loadPowerLevelsHistory(pool: EventPool, from: EventId): Resolving<void> {
  const passed = new Set<EventId>()
  let next: EventId | undefined = from
  yield* load(pool, [from])
  while (next !== undefined && !passed.has(next)) {
    passed.add(next)
    const named: readonly EventId[] = pool.get(next)?.authEvents ?? []
    yield* load(pool, named)
    next = named.find((id) => pool.get(id)?.type === 'm.room.power_levels' && pool.get(id)?.stateKey === '')
  }
}
