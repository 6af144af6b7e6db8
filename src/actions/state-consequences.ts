import type { Event } from '../core/event.ts'
import { type JsonObject, own } from '../core/json.ts'
import type { LogPosition, Sql } from '../db/sql.ts'
import type { StateEntry } from '../live/room-tip.ts'
import { changeMembership } from '../store/memberships.ts'
import { addMembers, updateSummary } from '../store/rooms.ts'
import type { NewEvent } from './compose-event.ts'

/** What else a state event changes: the member's row, the counts, the room's summary. */
export function consequences(
  room: number,
  event: Event,
  number: number,
  previous: StateEntry | undefined,
  wanted: NewEvent,
  position: LogPosition,
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
