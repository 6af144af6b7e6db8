import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import type { RoomId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import type { StateMap } from '../../core/state/map.ts'
import type { Batch, Guard, LogRow } from '../../db/database.ts'
import type { Sql } from '../../db/sql.ts'
import type { RoomTip, StateEntry } from '../../live/room-tip.ts'
import { headsAreStill, headsOf, type RoomRow, replaceHeads } from '../../store/rooms.ts'
import { snapshotChain } from '../../store/state.ts'
import { followEvent, type Merged, mergeEvent } from '../federation/merge-event.ts'
import type { VerifiedEvent } from '../federation/verify-pdu.ts'
import { type ComposedEvent, composeEvent, type NewEvent } from './compose-event.ts'
import { approved } from './policy-server.ts'
import { applyEarlierRedactions, applyRedaction, checkRedaction } from './redact-event.ts'
import { type Draft, entryOf, extendRoom } from './room-draft.ts'

/**
 * Builds one batch of events on the end of a room: each is authorised by the state that those before it left.
 * Errors: MatrixError M_FORBIDDEN with the rule that refused, M_TOO_LARGE, M_BAD_JSON.
 */
export interface RoomWriter {
  readonly tip: () => RoomTip
  /** The state event under a key, or undefined. */
  state(type: string, stateKey: string): Promise<StateEntry | undefined>
  add(event: NewEvent): Promise<Event>
  /** The event as `add` would build it, without adding it. */
  preview(event: NewEvent): Promise<Event>
  /**
   * Takes in an event of another server that follows the ends of the room. undefined: it does not, or what it rests on
   * is not at hand; then `merge` it into a settled room.
   */
  follow(event: VerifiedEvent): Promise<Merged | undefined>
  /**
   * Takes in an event wherever in the room it belongs, the first of its batch. `statesBefore`: after predecessors that
   * are not known. Errors: MissingEvents.
   */
  merge(event: VerifiedEvent, statesBefore?: readonly StateMap[]): Promise<Merged>
  /**
   * What an event of earlier history redacts, or what has redacted it: which of them came here first does not matter.
   * `number` is its own.
   */
  redactEarlier(event: VerifiedEvent, number: number): Promise<void>
  /** Further statements of the same batch, such as the transaction id. */
  also(part: {
    readonly writes?: readonly Sql[]
    readonly guards?: readonly Guard[]
    readonly log?: readonly LogRow[]
  }): void
  /** Another room that begins in the same batch: `tip` is an empty one. */
  beside(tip: RoomTip): RoomWriter
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

export function roomWriter(app: App, start: RoomTip): RoomWriter {
  const isNew = start.heads.length === 0
  const heads = start.heads.map((head) => head.event)
  const guards = isNew ? [] : [headsAreStill(start.room, heads)]
  return writerOf(app, { isNew, tip: start, writes: [], guards, log: [], events: [] })
}

function writerOf(app: App, draft: Draft): RoomWriter {
  const start = draft.tip
  const others: RoomWriter[] = []
  return {
    tip: () => draft.tip,
    state: (type, stateKey) => entryOf(app, draft, type, stateKey),
    add: (wanted) => add(app, draft, wanted),
    preview: async (wanted) => (await compose(app, draft, wanted)).event,
    follow: (event) => followEvent(app, draft, event),
    merge: (event, statesBefore = []) => mergeEvent(app, draft, event, statesBefore),
    async redactEarlier(event, number) {
      if (event.type === 'm.room.redaction') await applyRedaction(app, draft, event, number)
      await applyEarlierRedactions(app, draft, event, number)
    },
    also(part) {
      draft.writes.push(...(part.writes ?? []))
      draft.guards.push(...(part.guards ?? []))
      draft.log.push(...(part.log ?? []))
    },
    beside(tip) {
      const other = writerOf(app, { ...draft, isNew: true, tip, events: [] })
      others.push(other)
      return other
    },
    finish() {
      for (const other of others) other.finish()
      const { tip, writes, events } = draft
      if (tip.heads !== start.heads) {
        const [before, ends] = [start.heads, tip.heads].map((heads) => heads.map((head) => head.event))
        writes.push(...replaceHeads(tip.room, before!, ends!, tip.snapshots[0]?.snapshot ?? null))
      }
      const batch: Batch = { guards: draft.guards, writes, log: draft.log, basedOn: start.batch }
      return { batch, tip: { ...tip, batch }, events }
    },
  }
}

async function add(app: App, draft: Draft, wanted: NewEvent): Promise<Event> {
  const composed = await compose(app, draft, wanted)
  if (wanted.type === 'm.room.redaction') await checkRedaction(app, draft, composed.event)
  if (draft.events.length === 0) draft.tip = { ...draft.tip, roomId: composed.event.roomId }
  const event = await approved(app, draft, composed.event)
  await extendRoom(app, draft, { ...composed, event })
  return event
}

function compose(app: App, draft: Draft, wanted: NewEvent): Promise<ComposedEvent> {
  return composeEvent(app, draft.tip, wanted, (type, stateKey) => entryOf(app, draft, type, stateKey))
}
