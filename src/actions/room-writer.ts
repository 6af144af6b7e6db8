import type { App } from '../app.ts'
import { authorise } from '../core/auth/authorise.ts'
import { authStateKeys } from '../core/auth/select.ts'
import { buildEvent, type Event, type EventId } from '../core/event.ts'
import type { RoomId, UserId } from '../core/ids.ts'
import { type JsonObject, own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import type { RoomVersion } from '../core/room-version.ts'
import { stateMapKey } from '../core/state/map.ts'
import type { Batch, Guard, LogRow } from '../db/database.ts'
import { logPosition, type Sql } from '../db/sql.ts'
import type { RoomTip, StateEntry } from '../live/room-tip.ts'
import { authEventOf, insertEvent } from '../store/events.ts'
import { changeMembership } from '../store/memberships.ts'
import { addMembers, headsAreStill, headsOf, type RoomRow, replaceHeads, updateSummary } from '../store/rooms.ts'
import { changeState, currentAuthRows, insertSnapshot, snapshotChain } from '../store/state.ts'

/** An event as its author wants it; the writer adds references, hashes and the signature. */
export interface NewEvent {
  readonly type: string
  readonly stateKey: string | null
  readonly sender: UserId
  readonly content: JsonObject
  readonly redacts?: EventId | undefined
  /** For an invite or a knock: what the target is shown of the room, as JSON text. */
  readonly strippedState?: string | undefined
}

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
  }
}

export function roomWriter(app: App, start: RoomTip): RoomWriter {
  const isNew = start.heads.length === 0
  const state = new Map(start.state)
  const writes: Sql[] = []
  const guards: Guard[] = isNew
    ? []
    : [
        headsAreStill(
          start.room,
          start.heads.map((head) => head.event),
        ),
      ]
  const log: LogRow[] = []
  const events: Event[] = []
  let tip: RoomTip = { ...start, state }

  async function entry(type: string, stateKey: string): Promise<StateEntry | undefined> {
    const key = stateMapKey(type, stateKey)
    const known = state.get(key)
    if (known !== undefined) return known ?? undefined
    if (isNew) return undefined
    const rows = await currentAuthRows(app.db, tip.room, [[type, stateKey]])
    const found = rows[0] === undefined ? null : { event: rows[0].event, value: authEventOf(rows[0], tip.roomId) }
    state.set(key, found)
    return found ?? undefined
  }

  async function add(wanted: NewEvent): Promise<Event> {
    const built = await build(app, tip, wanted, entry)
    const number = await app.db.nextId('event')
    if (isNew && events.length === 0) tip = { ...tip, roomId: built.event.roomId }
    const position = logPosition(log.length)
    log.push(logRowOf(tip.room, built.event))
    const previous = wanted.stateKey === null ? undefined : await entry(wanted.type, wanted.stateKey)
    const visibility = await entry('m.room.history_visibility', '')
    writes.push(
      ...insertEvent(
        built.event,
        {
          event: number,
          room: tip.room,
          position,
          topo: tip.topo + 1,
          snapshot: tip.snapshots[0]?.snapshot ?? null,
          historyVisibility: textOf(visibility?.value.content, 'history_visibility') ?? 'shared',
          previous: previous?.event ?? null,
        },
        built.authEvents,
      ),
    )
    let snapshots = tip.snapshots
    if (wanted.stateKey !== null) {
      const change = { type: wanted.type, stateKey: wanted.stateKey, event: number }
      const stored = insertSnapshot(tip.room, await app.db.nextId('snapshot'), snapshots, change)
      snapshots = stored.chain
      writes.push(...stored.writes)
      writes.push(...changeState(tip.room, wanted.type, wanted.stateKey, number, previous?.event ?? null, position))
      writes.push(...consequences(tip.room, built.event, number, previous, wanted, position))
      state.set(stateMapKey(wanted.type, wanted.stateKey), { event: number, value: built.event })
    }
    const heads = [{ event: number, eventId: built.event.eventId }]
    tip = { ...tip, heads, topo: tip.topo + 1, depth: built.event.depth, snapshots }
    events.push(built.event)
    return built.event
  }

  return {
    tip: () => tip,
    state: entry,
    add,
    also(part) {
      writes.push(...(part.writes ?? []))
      guards.push(...(part.guards ?? []))
      log.push(...(part.log ?? []))
    },
    finish() {
      const head = tip.heads[0]
      if (head !== undefined) writes.push(...replaceHeads(tip.room, head.event, tip.snapshots[0]?.snapshot ?? null))
      const batch: Batch = { guards, writes, log, basedOn: start.batch }
      return { batch, tip: { ...tip, batch }, events }
    },
  }
}

type EntryReader = (type: string, stateKey: string) => Promise<StateEntry | undefined>

async function build(app: App, tip: RoomTip, wanted: NewEvent, entry: EntryReader) {
  const keys = authStateKeys(tip.version, wanted)
  const known = new Map<string, StateEntry>()
  for (const [type, stateKey] of [['m.room.create', ''] as const, ...keys]) {
    const found = await entry(type, stateKey)
    if (found !== undefined) known.set(stateMapKey(type, stateKey), found)
  }
  const chosen = keys.flatMap(([type, stateKey]) => known.get(stateMapKey(type, stateKey)) ?? [])
  const event = buildEvent(
    tip.version,
    {
      roomId: wanted.type === 'm.room.create' && tip.version.roomIdIsCreateHash ? undefined : tip.roomId,
      type: wanted.type,
      stateKey: wanted.stateKey,
      sender: wanted.sender,
      content: wanted.content,
      originServerTs: app.clock.now(),
      depth: tip.depth + 1,
      prevEvents: tip.heads.map((head) => head.eventId),
      authEvents: chosen.map((found) => found.value.eventId),
      ...(wanted.redacts === undefined ? {} : { redacts: wanted.redacts }),
    },
    app.serverName,
    app.key,
  )
  const verdict = authorise(tip.version, event, (type, stateKey) => known.get(stateMapKey(type, stateKey))?.value)
  if (!verdict.allowed)
    throw new MatrixError('M_FORBIDDEN', `Not allowed in this room: ${verdict.reason} (rule ${verdict.rule})`)
  return { event, authEvents: chosen.map((found) => found.event) }
}

function logRowOf(room: number, event: Event): LogRow {
  const user = event.type === 'm.room.member' ? event.stateKey : null
  return { kind: 'event', room, user, subject: event.eventId }
}

/** What else a state event changes: the member's row, the counts, the room's summary. */
function consequences(
  room: number,
  event: Event,
  number: number,
  previous: StateEntry | undefined,
  wanted: NewEvent,
  position: ReturnType<typeof logPosition>,
): Sql[] {
  if (event.type !== 'm.room.member') {
    const summary = updateSummary(room, event.type, summaryOf(event))
    return summary === undefined ? [] : [summary]
  }
  const membership = textOf(event.content, 'membership') ?? 'leave'
  const before = textOf(previous?.value.content, 'membership')
  const count = (kind: string) => (membership === kind ? 1 : 0) - (before === kind ? 1 : 0)
  const change = changeMembership({
    room,
    userId: event.stateKey ?? '',
    membership,
    event: number,
    sender: event.sender,
    position,
    strippedState: wanted.strippedState ?? null,
    displayname: textOf(event.content, 'displayname') ?? null,
    avatarUrl: textOf(event.content, 'avatar_url') ?? null,
  })
  if (membership === before) return change
  return [...change, addMembers(room, count('join'), count('invite'))]
}

/** The key of `content` that the room's summary repeats, by event type. */
const SUMMARY_KEYS: ReadonlyMap<string, string> = new Map([
  ['m.room.create', 'type'],
  ['m.room.name', 'name'],
  ['m.room.topic', 'topic'],
  ['m.room.avatar', 'url'],
  ['m.room.canonical_alias', 'alias'],
  ['m.room.encryption', 'algorithm'],
  ['m.room.join_rules', 'join_rule'],
  ['m.room.guest_access', 'guest_access'],
  ['m.room.history_visibility', 'history_visibility'],
])

function summaryOf(event: Event): string | null {
  const key = SUMMARY_KEYS.get(event.type)
  return event.stateKey === '' && key !== undefined ? (textOf(event.content, key) ?? null) : null
}

export function textOf(content: JsonObject | undefined, key: string): string | undefined {
  const value = content === undefined ? undefined : own(content, key)
  return typeof value === 'string' ? value : undefined
}
