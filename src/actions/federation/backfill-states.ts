import type { App } from '../../app.ts'
import { authorise } from '../../core/auth/authorise.ts'
import { authStateKeys } from '../../core/auth/select.ts'
import type { EventId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type StateMap, stateMapKey } from '../../core/state/map.ts'
import type { Sql } from '../../db/sql.ts'
import { Refused } from '../../remote/ask-server.ts'
import { Unreachable } from '../../remote/outbound.ts'
import { pdusById } from '../../store/pdus.ts'
import { insertSnapshot, snapshotChain } from '../../store/state.ts'
import {
  changedState,
  differences,
  rememberState,
  resolveStates,
  stateAfter,
  stateAtSnapshot,
  stateEntries,
} from '../rooms/room-states.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { remoteStateBefore, type Source } from './fetch-missing.ts'
import { inOrder } from './in-order.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

/** Events of one page of history for whose state a server is asked. */
const STATES_ASKED_MAX = 3

export interface HistoryStates {
  /** The state before each event, where it is known. */
  readonly before: ReadonlyMap<EventId, StateMap>
  /** Events that the state before them does not allow. */
  readonly refused: ReadonlySet<EventId>
}

/**
 * The states before events of earlier history (Server-Server API, "Backfilling", "Checks performed on receipt of a
 * PDU"). `edge`: the state before what follows them all. Where it leads to unknown events the server is asked; it is
 * believed as far as the state that it tells allows the event. Events without a change of state have that of the edge.
 */
export async function statesOfHistory(
  app: App,
  source: Source,
  events: readonly VerifiedEvent[],
  edge: number | null,
): Promise<HistoryStates> {
  const given = new Map(events.map((event) => [event.eventId, event]))
  const before = new Map<EventId, StateMap>()
  const refused = new Set<EventId>()
  const after = new Map<EventId, StateMap>()
  const ordered = inOrder([...events].reverse(), given, (event) => event.prevEvents)
  const ends = ordered.filter((event) => !event.prevEvents.some((id) => given.has(id)))
  if (edge !== null && ends.length === 1 && events.every(({ stateKey }) => stateKey === null)) {
    const state = await stateAtSnapshot(app, edge)
    return { before: new Map(events.map(({ eventId }) => [eventId, state])), refused }
  }
  let asked = 0
  for (const event of ordered) {
    const known = await knownBefore(app, event, after)
    const ask = known.missing && asked++ < STATES_ASKED_MAX
    const told = ask ? await askedBefore(app, source, event.eventId) : undefined
    if (told === undefined && known.states.length === 0 && event.type !== 'm.room.create') continue
    const state = told ?? (await resolveStates(app, source.version, known.states))
    before.set(event.eventId, state)
    const { type, stateKey, eventId } = event
    if (!(await isAllowed(app, event, state))) refused.add(eventId)
    const changes = stateKey !== null && !refused.has(eventId)
    after.set(eventId, changes ? changedState(state, { type, stateKey, eventId }) : state)
  }
  return { before, refused }
}

async function knownBefore(
  app: App,
  event: VerifiedEvent,
  after: ReadonlyMap<EventId, StateMap>,
): Promise<{ readonly states: readonly StateMap[]; readonly missing: boolean }> {
  const states: StateMap[] = []
  const others: EventId[] = []
  for (const id of new Set(event.prevEvents)) {
    const state = after.get(id)
    if (state === undefined) others.push(id)
    else states.push(state)
  }
  const rows = others.length === 0 ? [] : await pdusById(app.db, others)
  const placed = rows.filter((row) => row.outlier === 0 && row.snapshot !== null && row.room_id === event.roomId)
  for (const row of placed) states.push(await stateAfter(app, row))
  return { states, missing: placed.length < others.length }
}

/** Undefined where the server does not tell, or is not believed. */
async function askedBefore(app: App, source: Source, eventId: EventId): Promise<StateMap | undefined> {
  try {
    return await remoteStateBefore(app, source, eventId)
  } catch (error) {
    if (!(error instanceof Unreachable || error instanceof Refused || error instanceof MatrixError)) throw error
    app.log.info({ event: eventId, server: source.server, reason: error.message }, 'a state of history is not known')
    return undefined
  }
}

async function isAllowed(app: App, event: VerifiedEvent, state: StateMap): Promise<boolean> {
  const keys = [['m.room.create', ''] as const, ...authStateKeys(event.version, event)]
  const idOf = (type: string, stateKey: string) => state.get(stateMapKey(type, stateKey))
  const entries = await stateEntries(
    app,
    keys.map(([type, stateKey]) => idOf(type, stateKey)),
  )
  return authorise(event.version, event, (type, stateKey) => {
    const id = idOf(type, stateKey)
    return id === undefined ? undefined : entries.get(id)?.value
  }).allowed
}

/** Where an event of history stands beside its neighbours. */
export interface HistoryPlacing {
  readonly snapshot: number | null
  readonly historyVisibility: string | undefined
  /** The event that it replaced in the room's state. */
  readonly previous: number | null
}

/**
 * Stores the states, each as a step from the one before: `events` go from `edge` backwards. Of a room whose members are
 * not known yet (`partial`) only the edge's own is used: members come below it later, those of today.
 */
export async function storeHistoryStates(
  app: App,
  { room, edge, partial }: { readonly room: number; readonly edge: number | null; readonly partial: boolean },
  events: readonly VerifiedEvent[],
  { before }: HistoryStates,
): Promise<{ readonly writes: readonly Sql[]; readonly placings: ReadonlyMap<EventId, HistoryPlacing> }> {
  const writes: Sql[] = []
  const placings = new Map<EventId, HistoryPlacing>()
  let chain = edge === null ? [] : await snapshotChain(app.db, edge)
  let at = await stateAtSnapshot(app, edge)
  for (const event of events) {
    const state = before.get(event.eventId)
    if (state === undefined) continue
    const changed = differences(at, state)
    const replaced = event.stateKey === null ? undefined : state.get(stateMapKey(event.type, event.stateKey))
    const visibility = state.get(stateMapKey('m.room.history_visibility', ''))
    const entries = await stateEntries(app, [...changed.map(({ after }) => after), replaced, visibility])
    if (changed.length > 0 && !partial) {
      const rows = changed.map(({ type, stateKey, after }) => ({
        type,
        stateKey,
        event: (after && entries.get(after)?.event) ?? null,
      }))
      const stored = insertSnapshot(room, await app.db.nextId('snapshot'), chain, rows)
      writes.push(...stored.writes)
      chain = stored.chain
      at = state
      rememberState(app, chain, state)
    }
    placings.set(event.eventId, {
      snapshot: changed.length > 0 && partial ? null : (chain[0]?.snapshot ?? null),
      historyVisibility: textOf(visibility && entries.get(visibility)?.value.content, 'history_visibility') ?? 'shared',
      previous: (replaced && entries.get(replaced)?.event) ?? null,
    })
  }
  return { writes, placings }
}
