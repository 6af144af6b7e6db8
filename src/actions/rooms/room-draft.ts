import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { canonicalJson, type JsonObject } from '../../core/json.ts'
import { stateMapKey } from '../../core/state/map.ts'
import { strippedEvent, strippedStateKeys } from '../../core/stripped-state.ts'
import type { Guard, LogRow } from '../../db/database.ts'
import { type LogPosition, logPosition, type Sql } from '../../db/sql.ts'
import { RoomIncomplete } from '../../live/room-members.ts'
import type { RoomTip, StateEntry } from '../../live/room-tip.ts'
import { authEventOf, insertEvent } from '../../store/events.ts'
import { roomByNumber } from '../../store/rooms.ts'
import { changeState, currentAuthRows, insertSnapshot } from '../../store/state.ts'
import { noteExpiry } from './note-expiry.ts'
import { applyRedaction } from './redact-event.ts'
import { consequences, type KeyChange, textOf } from './state-consequences.ts'

/** What the writer has built so far. */
export interface Draft {
  readonly isNew: boolean
  tip: RoomTip
  readonly writes: Sql[]
  readonly guards: Guard[]
  readonly log: LogRow[]
  readonly events: Event[]
}

/** The state event under a key at the end of the room as built so far. */
export async function entryOf(app: App, draft: Draft, type: string, stateKey: string): Promise<StateEntry | undefined> {
  const { tip } = draft
  const key = stateMapKey(type, stateKey)
  const known = tip.state.get(key)
  if (known !== undefined) return known ?? undefined
  if (draft.isNew) return undefined
  const read = () => currentAuthRows(app.db, tip.room, [[type, stateKey]])
  let [row] = await read()
  if (row === undefined && type === 'm.room.member') {
    await membersKnown(app, tip.room)
    // The last members may have come between the two looks.
    ;[row] = await read()
  }
  const found = row === undefined ? null : { event: row.event, value: authEventOf(row, tip.roomId) }
  tip.state.set(key, found)
  return found ?? undefined
}

/** A member that a room lacks may only not be known yet. Errors: RoomIncomplete. */
async function membersKnown(app: App, room: number): Promise<void> {
  if ((await roomByNumber(app.db, room))?.partial_state === 1) throw new RoomIncomplete()
}

/** An event that follows all ends of the room. */
export interface Following {
  readonly event: Event
  /** Numbers of the events that authorise it. */
  readonly authEvents: readonly number[]
  /** The number under which it is known as an outlier. */
  readonly outlier?: number | undefined
}

/** Puts the event at the end of the room, which it becomes alone: the state before it is that of the room. */
export async function extendRoom(app: App, draft: Draft, following: Following): Promise<void> {
  const { event } = following
  const { tip } = draft
  const entry = (type: string, stateKey: string) => entryOf(app, draft, type, stateKey)
  const previous = event.stateKey === null ? undefined : await entry(event.type, event.stateKey)
  const visibility = textOf((await entry('m.room.history_visibility', ''))?.value.content, 'history_visibility')
  const place = {
    event: following.outlier ?? (await app.db.nextId('event')),
    room: tip.room,
    position: logPosition(draft.log.length),
    topo: tip.topo + 1,
    snapshot: tip.snapshots[0]?.snapshot ?? null,
    historyVisibility: visibility ?? 'shared',
    previous: previous?.event ?? null,
  }
  draft.log.push(logRowOf(tip.room, event))
  draft.writes.push(...insertEvent(event, place, following.authEvents))
  draftExpiry(app, draft, event, place.event)
  draft.tip = {
    ...tip,
    heads: [{ event: place.event, eventId: event.eventId }],
    topo: place.topo,
    depth: event.depth,
  }
  if (event.stateKey !== null) {
    const { type, stateKey } = event
    const strippedState = type === 'm.room.member' ? await strippedStateFor(app, draft, event) : undefined
    const change = { type, stateKey, entry: { event: place.event, value: event }, previous, strippedState }
    await changeRoomState(app, draft, [change], place.position)
  }
  if (event.type === 'm.room.redaction') await applyRedaction(app, draft, event, place.event)
  draft.events.push(event)
}

/** When the content of an event goes, if it says so itself. */
export function draftExpiry(app: App, draft: Draft, event: Event, number: number): void {
  const { writes, log } = noteExpiry(app, draft.tip.room, event, number)
  draft.writes.push(...writes)
  draft.log.push(...log)
}

/** What somebody outside is shown of the room with an invite or a knock, as the JSON text of an array. */
async function strippedStateFor(app: App, draft: Draft, member: Event): Promise<string | undefined> {
  const membership = textOf(member.content, 'membership')
  if (membership !== 'invite' && membership !== 'knock') return undefined
  const shown: JsonObject[] = []
  for (const [type, stateKey] of strippedStateKeys([member.sender])) {
    const found = (await entryOf(app, draft, type, stateKey))?.value
    if (found !== undefined) shown.push(strippedEvent({ type, stateKey, sender: found.sender, content: found.content }))
  }
  return canonicalJson(shown)
}

/** Moves the state at the end of the room on. */
export async function changeRoomState(
  app: App,
  draft: Draft,
  changes: readonly KeyChange[],
  position: LogPosition,
): Promise<void> {
  const { room } = draft.tip
  const rows = changes.map(({ type, stateKey, entry }) => ({ type, stateKey, event: entry?.event ?? null }))
  const stored = insertSnapshot(room, await app.db.nextId('snapshot'), draft.tip.snapshots, rows)
  draft.writes.push(...stored.writes)
  for (const [index, change] of changes.entries()) {
    draft.writes.push(...changeState(room, rows[index]!, change.previous?.event ?? null, position))
    draft.writes.push(...consequences(room, change, position))
    draft.tip.state.set(stateMapKey(change.type, change.stateKey), change.entry ?? null)
  }
  draft.tip = { ...draft.tip, snapshots: stored.chain }
}

export function logRowOf(room: number, event: Event): LogRow {
  const user = event.type === 'm.room.member' ? event.stateKey : null
  return { kind: 'event', room, user, subject: event.eventId }
}
