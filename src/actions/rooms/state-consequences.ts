import { serverNameOf } from '../../core/ids.ts'
import { canonicalJson, type JsonObject, own } from '../../core/json.ts'
import { strippedEventJson } from '../../core/stripped-state.ts'
import type { LogPosition, Sql } from '../../db/sql.ts'
import type { StateEntry } from '../../live/room-tip.ts'
import { changeMembership } from '../../store/memberships.ts'
import { serverJoins, serverLeaves } from '../../store/room-servers.ts'
import { addMembers, updateSummary } from '../../store/rooms.ts'

/** One key of the room's state, what stood under it and what stands there now. */
export interface KeyChange {
  readonly type: string
  readonly stateKey: string
  readonly entry: StateEntry | undefined
  readonly previous: StateEntry | undefined
  /** For an invite or a knock: what it shows of the room, as JSON text. */
  readonly strippedState?: string | undefined
}

/** What else a change of the room's state changes: the member's row, the counts, the room's summary. */
export function consequences(room: number, change: KeyChange, position: LogPosition): Sql[] {
  const { type, stateKey, entry, previous } = change
  if (type !== 'm.room.member') return stateKey === '' ? updateSummary(room, type, summaryOf(type, entry)) : []
  const membership = membershipAfter(change)
  const before = textOf(previous?.value.content, 'membership')
  const count = (kind: string) => (membership === kind ? 1 : 0) - (before === kind ? 1 : 0)
  const statements = memberRow(room, change, position)
  if (membership === before) return statements
  statements.push(addMembers(room, count('join'), count('invite')))
  const server = serverNameOf(stateKey)
  if (membership === 'join') statements.push(serverJoins(room, server, position))
  if (before === 'join') statements.push(serverLeaves(room, server, position))
  return statements
}

/** The rows of many members at once, and of their servers. They are counted together, by `countMembers`. */
export function memberRows(room: number, members: readonly StateEntry[], position: LogPosition): Sql[] {
  const changes = members.map((entry) => ({
    type: 'm.room.member',
    stateKey: entry.value.stateKey ?? '',
    entry,
    previous: undefined,
  }))
  const joined = changes.filter((change) => membershipAfter(change) === 'join')
  const servers = new Set(joined.map(({ stateKey }) => serverNameOf(stateKey)))
  return [
    ...changes.flatMap((change) => memberRow(room, change, position)),
    ...[...servers].map((server) => serverJoins(room, server, position)),
  ]
}

function memberRow(room: number, change: KeyChange, position: LogPosition): Sql[] {
  const { stateKey, entry } = change
  return changeMembership({
    room,
    userId: stateKey,
    membership: membershipAfter(change),
    event: entry?.event ?? null,
    sender: entry?.value.sender ?? stateKey,
    position,
    strippedState: strippedStateWith(change) ?? null,
    displayname: storable(textOf(entry?.value.content, 'displayname')),
    avatarUrl: storable(textOf(entry?.value.content, 'avatar_url')),
  })
}

function membershipAfter({ entry }: KeyChange): string {
  return entry === undefined ? 'leave' : (textOf(entry.value.content, 'membership') ?? 'leave')
}

/** An invite shows itself among the state that it comes with: who invites whom, and under what name. */
function strippedStateWith({ type, stateKey, entry, strippedState }: KeyChange): string | undefined {
  if (strippedState === undefined || entry === undefined) return strippedState
  const { sender, content } = entry.value
  const itself = strippedEventJson({ type, stateKey, sender, contentText: canonicalJson(content) })
  const separator = strippedState === '[]' ? '' : ','
  return `${strippedState.slice(0, -1)}${separator}${itself}]`
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

/** What the room's summary repeats of the state under a type and the empty key. */
export function summaryOf(type: string, entry: StateEntry | undefined): string | null {
  const key = SUMMARY_KEYS.get(type)
  return key === undefined ? null : storable(textOf(entry?.value.content, key))
}

/** PostgreSQL keeps no NUL in a text; in the event itself it stands as an escape. */
export function storable(text: string | undefined): string | null {
  return text?.replaceAll('\0', '') ?? null
}

export function textOf(content: JsonObject | undefined, key: string): string | undefined {
  const value = content === undefined ? undefined : own(content, key)
  return typeof value === 'string' ? value : undefined
}
