import type { App } from '../app.ts'
import type { Event } from '../core/event.ts'
import type { RoomId } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import type { RoomVersion } from '../core/room-version.ts'
import { stateMapKey } from '../core/state/map.ts'
import type { Batch, Guard, LogRow } from '../db/database.ts'
import { logPosition, type Sql } from '../db/sql.ts'
import type { RoomTip, StateEntry } from '../live/room-tip.ts'
import { authEventOf, type EventPlace, insertEvent } from '../store/events.ts'
import { headsAreStill, headsOf, type RoomRow, replaceHeads } from '../store/rooms.ts'
import { changeState, currentAuthRows, insertSnapshot, snapshotChain } from '../store/state.ts'
import { composeEvent, type NewEvent } from './compose-event.ts'
import { consequences, textOf } from './state-consequences.ts'

/**
 * Builds one batch of events on the end of a room: each is authorised by the state that those before it left.
 * Errors: MatrixError M_FORBIDDEN with the rule that refused, M_TOO_LARGE, M_BAD_JSON.
 */
export interface RoomWriter {
  readonly tip: () => RoomTip
  /** The state event under a key, or undefined. */
  state(type: string, stateKey: string): Promise<StateEntry | undefined>
  add(event: NewEvent): Promise<Event>
  /** Further statements of the same batch, such as the transaction id. */
  also(part: {
    readonly writes?: readonly Sql[]
    readonly guards?: readonly Guard[]
    readonly log?: readonly LogRow[]
  }): void
  /** What was built, and the tip that it leaves. */
  finish(): { readonly batch: Batch; readonly tip: RoomTip; readonly events: readonly Event[] }
}

/** Reads the end of a room from the database. Errors: M_NOT_FOUND when we hold no history of it. */
export async function loadTip(app: App, row: RoomRow, version: RoomVersion): Promise<RoomTip> {
  const heads = await headsOf(app.db, row.room)
  if (heads.length === 0) throw new MatrixError('M_NOT_FOUND', 'This server holds no history of the room.')
  const snapshot = heads[0]?.snapshot ?? null
  return {
    room: row.room,
    roomId: row.room_id,
    version,
    heads: heads.map((head) => ({ event: head.event, eventId: head.event_id })),
    topo: Math.max(...heads.map((head) => head.topo)),
    depth: Math.max(...heads.map((head) => head.depth)),
    snapshots: snapshot === null ? [] : await snapshotChain(app.db, snapshot),
    state: new Map(),
    batch: undefined,
    lineage: { fallen: false },
  }
}

/** The tip of a room that does not exist yet. */
export function emptyTip(room: number, version: RoomVersion, roomId: RoomId | undefined): RoomTip {
  const none = new Map<string, StateEntry | null>()
  return {
    room,
    roomId: roomId ?? ('' as RoomId),
    version,
    heads: [],
    topo: 0,
    depth: 0,
    snapshots: [],
    state: none,
    batch: undefined,
    lineage: { fallen: false },
  }
}

/** What the writer has built so far. */
interface Draft {
  readonly isNew: boolean
  tip: RoomTip
  readonly writes: Sql[]
  readonly guards: Guard[]
  readonly log: LogRow[]
  readonly events: Event[]
}

export function roomWriter(app: App, start: RoomTip): RoomWriter {
  const isNew = start.heads.length === 0
  const heads = start.heads.map((head) => head.event)
  const guards = isNew ? [] : [headsAreStill(start.room, heads)]
  const draft: Draft = { isNew, tip: start, writes: [], guards, log: [], events: [] }
  return {
    tip: () => draft.tip,
    state: (type, stateKey) => entryOf(app, draft, type, stateKey),
    add: (wanted) => add(app, draft, wanted),
    also(part) {
      draft.writes.push(...(part.writes ?? []))
      draft.guards.push(...(part.guards ?? []))
      draft.log.push(...(part.log ?? []))
    },
    finish() {
      const { tip, writes, events } = draft
      const head = tip.heads[0]
      if (head !== undefined) writes.push(...replaceHeads(tip.room, head.event, tip.snapshots[0]?.snapshot ?? null))
      const batch: Batch = { guards: draft.guards, writes, log: draft.log, basedOn: start.batch }
      return { batch, tip: { ...tip, batch }, events }
    },
  }
}

async function entryOf(app: App, draft: Draft, type: string, stateKey: string): Promise<StateEntry | undefined> {
  const { tip } = draft
  const key = stateMapKey(type, stateKey)
  const known = tip.state.get(key)
  if (known !== undefined) return known ?? undefined
  if (draft.isNew) return undefined
  const [row] = await currentAuthRows(app.db, tip.room, [[type, stateKey]])
  const found = row === undefined ? null : { event: row.event, value: authEventOf(row, tip.roomId) }
  tip.state.set(key, found)
  return found ?? undefined
}

async function add(app: App, draft: Draft, wanted: NewEvent): Promise<Event> {
  const entry = (type: string, stateKey: string) => entryOf(app, draft, type, stateKey)
  const composed = await composeEvent(app, draft.tip, wanted, entry)
  if (draft.events.length === 0) draft.tip = { ...draft.tip, roomId: composed.event.roomId }
  const { tip } = draft
  const previous = wanted.stateKey === null ? undefined : await entry(wanted.type, wanted.stateKey)
  const visibility = textOf((await entry('m.room.history_visibility', ''))?.value.content, 'history_visibility')
  const place = {
    event: await app.db.nextId('event'),
    room: tip.room,
    position: logPosition(draft.log.length),
    topo: tip.topo + 1,
    snapshot: tip.snapshots[0]?.snapshot ?? null,
    historyVisibility: visibility ?? 'shared',
    previous: previous?.event ?? null,
  }
  draft.log.push(logRowOf(tip.room, composed.event))
  draft.writes.push(...insertEvent(composed.event, place, composed.authEvents))
  draft.tip = {
    ...tip,
    heads: [{ event: place.event, eventId: composed.event.eventId }],
    topo: place.topo,
    depth: composed.event.depth,
  }
  if (wanted.stateKey !== null) await addToState(app, draft, { wanted, event: composed.event, place, previous })
  draft.events.push(composed.event)
  return composed.event
}

interface StateChange {
  readonly wanted: NewEvent
  readonly event: Event
  readonly place: EventPlace & { readonly position: ReturnType<typeof logPosition> }
  readonly previous: StateEntry | undefined
}

async function addToState(app: App, draft: Draft, change: StateChange): Promise<void> {
  const { wanted, event, place, previous } = change
  const stateKey = wanted.stateKey ?? ''
  const entry = { type: wanted.type, stateKey, event: place.event }
  const stored = insertSnapshot(place.room, await app.db.nextId('snapshot'), draft.tip.snapshots, entry)
  draft.writes.push(...stored.writes)
  draft.writes.push(...changeState(place.room, wanted.type, stateKey, place.event, place.previous, place.position))
  draft.writes.push(...consequences(place.room, event, place.event, previous, wanted, place.position))
  draft.tip.state.set(stateMapKey(wanted.type, stateKey), { event: place.event, value: event })
  draft.tip = { ...draft.tip, snapshots: stored.chain }
}

function logRowOf(room: number, event: Event): LogRow {
  const user = event.type === 'm.room.member' ? event.stateKey : null
  return { kind: 'event', room, user, subject: event.eventId }
}
