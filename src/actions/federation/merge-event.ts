import type { App } from '../../app.ts'
import { authorise, type StateReader, type Verdict } from '../../core/auth/authorise.ts'
import { authoriseByAuthEvents } from '../../core/auth/by-auth-events.ts'
import { authStateKeys } from '../../core/auth/select.ts'
import type { EventId } from '../../core/ids.ts'
import { type StateMap, stateMapKey } from '../../core/state/map.ts'
import type { StateEvent } from '../../core/state/resolve.ts'
import { logPosition } from '../../db/sql.ts'
import type { RoomTip } from '../../live/room-tip.ts'
import { eventIsStill, insertEvent } from '../../store/events.ts'
import { childrenOf, type PduRow, pdusById, stateEventOf } from '../../store/pdus.ts'
import { PURGED } from '../../store/purge.ts'
import { insertSnapshot, type SnapshotLink, snapshotChain } from '../../store/state.ts'
import { isRecommended } from '../rooms/policy-server.ts'
import { applyEarlierRedactions, applyRedaction } from '../rooms/redact-event.ts'
import { changeRoomState, type Draft, draftExpiry, entryOf, extendRoom, logRowOf } from '../rooms/room-draft.ts'
import {
  changedState,
  differences,
  rememberState,
  resolveStates,
  stateAtSnapshot,
  stateEntries,
  statesAfter,
} from '../rooms/room-states.ts'
import { textOf } from '../rooms/state-consequences.ts'
import type { VerifiedEvent } from './verify-pdu.ts'

/** What became of an event of another server. */
export interface Merged {
  readonly outcome: 'accepted' | 'soft_failed' | 'rejected' | 'known'
  /** The rule that refused it. */
  readonly reason?: string
}

/** What the event rests on is not known: it has to be fetched first. */
export class MissingEvents extends Error {
  override readonly name = 'MissingEvents'
  readonly prevEvents: readonly EventId[]
  readonly authEvents: readonly EventId[]

  constructor(prevEvents: readonly EventId[], authEvents: readonly EventId[]) {
    super(`${prevEvents.length} predecessors and ${authEvents.length} auth events are missing`)
    this.prevEvents = prevEvents
    this.authEvents = authEvents
  }
}

/** Ends of a room that are kept: an event can name 20 predecessors. The oldest go first. */
const HEADS_MAX = 20
/** Events passed on the way from an event through refused ones to the ends of the room that it covers. */
const COVERED_MAX = 200

/** An event whose predecessors are all ends of the room, just these: the state before it is that of the room. */
export async function followEvent(app: App, draft: Draft, event: VerifiedEvent): Promise<Merged | undefined> {
  // What it redacts may stand in the same batch, where nobody can read it yet.
  if (event.type === 'm.room.redaction') return undefined
  const { tip } = draft
  const ends = new Set(tip.heads.map((head) => head.eventId))
  if (ends.size !== new Set(event.prevEvents).size || !event.prevEvents.every((id) => ends.has(id))) return undefined
  const authority = await authorityOf(app, draft, event)
  if (authority.known !== undefined && authority.known.outlier === 0) return asBefore(authority.known)
  if (authority.missing.length > 0) return undefined
  const verdict = judge(authority, event)
  const now = verdict.allowed ? authorise(tip.version, event, await currentState(app, draft, event)) : verdict
  const outlier = authority.known?.event
  draft.guards.push(eventIsStill(event.eventId, outlier))
  const aside: Placing = { event, authority, snapshot: tip.snapshots, topo: tip.topo + 1 }
  if (!now.allowed) return setAside(app, draft, aside, now)
  if (!(await isRecommended(app, draft, event))) return softFail(app, draft, aside, now)
  await extendRoom(app, draft, { event, authEvents: authority.numbers, outlier })
  await applyEarlierRedactions(app, draft, event, draft.tip.heads[0]!.event)
  return { outcome: 'accepted' }
}

/**
 * Checks 4 to 7 on receipt of a PDU (Server-Server API, "Checks performed on receipt of a PDU") for an event anywhere
 * in the room, and what it does to the room's ends and state. The draft is one that nothing was added to, of a room
 * without queued batches. Errors: MissingEvents.
 */
export async function mergeEvent(
  app: App,
  draft: Draft,
  event: VerifiedEvent,
  statesBefore: readonly StateMap[],
): Promise<Merged> {
  const { tip } = draft
  const authority = await authorityOf(app, draft, event)
  if (authority.known !== undefined && authority.known.outlier === 0) return asBefore(authority.known)
  const parents = (await pdusById(app.db, event.prevEvents)).filter((row) => row.outlier === 0 && row.room === tip.room)
  const prevMissing = event.prevEvents.filter((id) => !parents.some((row) => row.event_id === id))
  if (authority.missing.length > 0 || prevMissing.length > statesBefore.length)
    throw new MissingEvents(prevMissing, authority.missing)

  const states = [...(await statesAfter(app, parents)), ...statesBefore]
  const before = await resolveStates(app, tip.version, states)
  const snapshot = await storeState(app, draft, parents, before)
  const topo = Math.max(0, ...parents.map((row) => row.topo)) + 1
  const place: Placing = { event, authority, snapshot, topo: parents.length === 0 ? tip.topo + 1 : topo }
  draft.guards.push(eventIsStill(event.eventId, authority.known?.event))

  // 4, 5: it passes by the events that it names, and by the state before it; or it is rejected.
  let verdict = judge(authority, event)
  if (verdict.allowed) verdict = authorise(tip.version, event, await stateReader(app, tip, event, before))
  if (!verdict.allowed) return setAside(app, draft, place, verdict)
  // 6: it passes by the current state of the room, or it is soft-failed.
  const current = authorise(tip.version, event, await currentState(app, draft, event))
  if (!current.allowed) return softFail(app, draft, place, current)
  // 7: the policy server of the room has signed it, or it is soft-failed.
  if (!(await isRecommended(app, draft, event))) return softFail(app, draft, place, current)
  await accept(app, draft, place, before)
  return { outcome: 'accepted' }
}

/** An event that is in the room, or was refused: it stays so, however often it comes. */
function asBefore({ rejected, soft_failed: softFailed }: PduRow): Merged {
  if (rejected === 1) return { outcome: 'rejected', reason: 'it was refused before' }
  return softFailed === 1 ? { outcome: 'soft_failed', reason: 'it was refused before' } : { outcome: 'known' }
}

interface Authority {
  /** The event's own row, if it is known. */
  readonly known: PduRow | undefined
  /** The events that it names as its authority, and in v12 the create event. */
  readonly events: readonly StateEvent[]
  readonly create: StateEvent | undefined
  readonly numbers: readonly number[]
  readonly missing: readonly EventId[]
}

async function authorityOf(app: App, draft: Draft, event: VerifiedEvent): Promise<Authority> {
  const { tip } = draft
  const found = new Map<EventId, { readonly event: number; readonly value: StateEvent }>()
  for (const [type, stateKey] of authStateKeys(tip.version, event)) {
    const entry = await entryOf(app, draft, type, stateKey)
    if (entry !== undefined) found.set(entry.value.eventId, entry)
  }
  const create = await entryOf(app, draft, 'm.room.create', '')
  const others = event.authEvents.filter((id) => !found.has(id))
  const rows = await pdusById(app.db, [event.eventId, ...others])
  for (const row of rows) found.set(row.event_id, { event: row.event, value: stateEventOf(row) })
  const named = [...new Set(event.authEvents)].flatMap((id) => found.get(id) ?? [])
  return {
    known: rows.find((row) => row.event_id === event.eventId),
    events: named.map((entry) => entry.value),
    create: create?.value,
    numbers: named.map((entry) => entry.event),
    missing: event.authEvents.filter((id) => !found.has(id)),
  }
}

function judge(authority: Authority, event: VerifiedEvent): Verdict {
  return authoriseByAuthEvents(event.version, event, authority.events, authority.create)
}

/** The current state of the room under the keys that the rules ask for. */
async function currentState(app: App, draft: Draft, event: VerifiedEvent): Promise<StateReader> {
  const found = new Map<string, StateEvent>()
  for (const [type, stateKey] of [['m.room.create', ''] as const, ...authStateKeys(draft.tip.version, event)]) {
    const entry = await entryOf(app, draft, type, stateKey)
    if (entry !== undefined) found.set(stateMapKey(type, stateKey), entry.value)
  }
  return (type, stateKey) => found.get(stateMapKey(type, stateKey))
}

/** The same of a state given by ids. */
async function stateReader(app: App, tip: RoomTip, event: VerifiedEvent, state: StateMap): Promise<StateReader> {
  const keys = [['m.room.create', ''] as const, ...authStateKeys(tip.version, event)]
  const ids = keys.map(([type, stateKey]) => state.get(stateMapKey(type, stateKey)))
  const entries = await stateEntries(app, ids)
  return (type, stateKey) => {
    const id = state.get(stateMapKey(type, stateKey))
    return id === undefined ? undefined : entries.get(id)?.value
  }
}

/** Where an event goes. `snapshot`: the chain of the state before it. */
interface Placing {
  readonly event: VerifiedEvent
  readonly authority: Authority
  readonly snapshot: readonly SnapshotLink[]
  readonly topo: number
}

/** Keeps a refused event where nobody sees it, so that it stays refused. */
async function setAside(
  app: App,
  draft: Draft,
  { event, authority, snapshot, topo }: Placing,
  verdict: Verdict,
  aside: 'rejected' | 'soft_failed' = 'rejected',
): Promise<Merged> {
  const place = {
    event: authority.known?.event ?? (await app.db.nextId('event')),
    room: draft.tip.room,
    position: null,
    topo,
    snapshot: snapshot[0]?.snapshot ?? null,
    historyVisibility: 'joined',
    previous: null,
    aside,
  }
  draft.writes.push(...insertEvent(event, place, authority.numbers))
  draftExpiry(app, draft, event, place.event)
  // Others who have it in their history may ask us for it.
  await applyEarlierRedactions(app, draft, event, place.event)
  const reason = verdict.allowed ? '' : `${verdict.reason} (rule ${verdict.rule})`
  app.log.info({ room: draft.tip.roomId, event: event.eventId, outcome: aside, reason }, 'an event was refused')
  return { outcome: 'rejected', reason }
}

async function softFail(app: App, draft: Draft, placing: Placing, verdict: Verdict): Promise<Merged> {
  return { ...(await setAside(app, draft, placing, verdict, 'soft_failed')), outcome: 'soft_failed' }
}

async function accept(app: App, draft: Draft, placing: Placing, before: StateMap): Promise<void> {
  const { tip } = draft
  const { event, authority, snapshot, topo } = placing
  const replaced = event.stateKey === null ? undefined : before.get(stateMapKey(event.type, event.stateKey))
  const visibility = before.get(stateMapKey('m.room.history_visibility', ''))
  const rows = await stateEntries(app, [replaced, visibility])
  const place = {
    event: authority.known?.event ?? (await app.db.nextId('event')),
    room: tip.room,
    position: logPosition(draft.log.length),
    topo,
    snapshot: snapshot[0]?.snapshot ?? null,
    historyVisibility: textOf(visibility && rows.get(visibility)?.value.content, 'history_visibility') ?? 'shared',
    previous: (replaced && rows.get(replaced)?.event) ?? null,
  }
  draft.log.push(logRowOf(tip.room, event))
  draft.writes.push(...insertEvent(event, place, authority.numbers))
  draftExpiry(app, draft, event, place.event)
  if (event.type === 'm.room.redaction') await applyRedaction(app, draft, event, place.event)
  draft.events.push(event)
  const { type, stateKey, eventId } = event
  const after = stateKey === null ? before : changedState(before, { type, stateKey, eventId })
  await moveEnds(app, draft, { event, number: place.event, topo, after })
  await applyEarlierRedactions(app, draft, event, place.event)
}

interface NewEnd {
  readonly event: VerifiedEvent
  readonly number: number
  readonly topo: number
  readonly after: StateMap
}

/** The ends of the room with the event among them, and the state that follows from all of them. */
async function moveEnds(app: App, draft: Draft, end: NewEnd): Promise<void> {
  const { tip } = draft
  const { event } = end
  if ((await childrenOf(app.db, [event.eventId])).length > 0) return
  const covered = await coveredBy(app, event)
  const others = tip.heads.filter((head) => !covered.has(head.eventId)).slice(-(HEADS_MAX - 1))
  const rows =
    others.length === 0
      ? []
      : await pdusById(
          app.db,
          others.map((head) => head.eventId),
        )
  const states = [...(await statesAfter(app, rows)), end.after]
  const now = await resolveStates(app, tip.version, states, event)
  const was = await stateAtSnapshot(app, tip.snapshots[0]?.snapshot ?? null)
  draft.tip = {
    ...tip,
    heads: [...others, { event: end.number, eventId: event.eventId }],
    topo: Math.max(end.topo, ...rows.map((row) => row.topo)),
    depth: Math.max(event.depth, ...rows.map((row) => row.depth)),
  }
  const changed = differences(was, now)
  if (changed.length === 0) return
  const entries = await stateEntries(
    app,
    changed.flatMap(({ before, after }) => [before, after]),
  )
  entries.set(event.eventId, { event: end.number, value: event })
  const changes = changed.map(({ type, stateKey, before, after }) => ({
    type,
    stateKey,
    entry: after === undefined ? undefined : entries.get(after),
    previous: before === undefined ? undefined : entries.get(before),
  }))
  for (const { type, stateKey } of changes) {
    // Who comes or goes by a decision of state resolution hears of it like by an event.
    if (type === 'm.room.member' && stateKey !== event.stateKey)
      draft.log.push({ kind: 'membership', room: tip.room, user: stateKey, subject: event.eventId })
  }
  await changeRoomState(app, draft, changes, logPosition(0))
  rememberState(app, draft.tip.snapshots, now)
}

/** The event's predecessors, also those behind refused events, which are no ends of the room themselves. */
async function coveredBy(app: App, event: VerifiedEvent): Promise<Set<EventId>> {
  const covered = new Set<EventId>()
  let frontier: readonly EventId[] = event.prevEvents
  while (frontier.length > 0 && covered.size < COVERED_MAX) {
    for (const id of frontier) covered.add(id)
    const refused = (await pdusById(app.db, frontier)).filter(
      (row) => row.rejected === 1 || row.soft_failed % PURGED === 1,
    )
    frontier = refused.flatMap((row) => stateEventOf(row).prevEvents).filter((id) => !covered.has(id))
  }
  return covered
}

/** Stores a state as a step from the nearest one that is stored: of the room's end, or before a predecessor. */
async function storeState(
  app: App,
  draft: Draft,
  parents: readonly PduRow[],
  state: StateMap,
): Promise<readonly SnapshotLink[]> {
  const bases: (readonly SnapshotLink[])[] = [draft.tip.snapshots]
  for (const { snapshot } of parents.slice(0, 2)) {
    if (snapshot !== null) bases.push(await snapshotChain(app.db, snapshot))
  }
  const steps = await Promise.all(
    bases.map(async (chain) => ({
      chain,
      changed: differences(await stateAtSnapshot(app, chain[0]?.snapshot ?? null), state),
    })),
  )
  const nearest = steps.reduce((best, step) => (step.changed.length < best.changed.length ? step : best))
  if (nearest.changed.length === 0) return nearest.chain
  const entries = await stateEntries(
    app,
    nearest.changed.map(({ after }) => after),
  )
  const rows = nearest.changed.map(({ type, stateKey, after }) => ({
    type,
    stateKey,
    event: after === undefined ? null : (entries.get(after)?.event ?? null),
  }))
  const stored = insertSnapshot(draft.tip.room, await app.db.nextId('snapshot'), nearest.chain, rows)
  draft.writes.push(...stored.writes)
  rememberState(app, stored.chain, state)
  return stored.chain
}
