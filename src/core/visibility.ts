import { type JsonObject, own } from './json.ts'

export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined'

/** What decides whether a user sees an event. `undefined` for a membership: the user has no member event there. */
export interface VisibilityFacts {
  /** `history_visibility` in the state before the event; unknown values count as `shared`. */
  readonly visibility: string | undefined
  /** For an `m.room.history_visibility` event only: the value that it sets. */
  readonly visibilityAfter?: string | undefined
  /** The user's membership in the state before the event. */
  readonly membership: string | undefined
  /** For the user's own `m.room.member` event only: the membership that it sets. */
  readonly membershipAfter?: string | undefined
  /** Whether the user is joined now, or was joined at any time after the event. */
  readonly joinedSince: boolean
}

/** What decides whether a remote server gets an event: the memberships at the event of the users it has. */
export interface ServerVisibilityFacts {
  readonly visibility: string | undefined
  readonly memberships: Iterable<string | undefined>
  /** Whether any user of the server is joined now, or was at any time after the event. */
  readonly joinedSince: boolean
}

/** Client-Server API, "Room history visibility", server behaviour. Pure: the caller says what it has read. */
export function visibleTo(facts: VisibilityFacts): boolean {
  // The setting itself, and the user's own membership, show when the value before or the one after would show them.
  const settings = [facts.visibility]
  if (facts.visibilityAfter !== undefined) settings.push(facts.visibilityAfter)
  const memberships = [facts.membership]
  if (facts.membershipAfter !== undefined) memberships.push(facts.membershipAfter)
  return settings.some((setting) =>
    memberships.some((membership) => allows(historyVisibility(setting), membership, facts.joinedSince)),
  )
}

/** The same rules for what a server may fetch: it sees what any one of its users sees. */
export function visibleToServer(facts: ServerVisibilityFacts): boolean {
  const setting = historyVisibility(facts.visibility)
  if (allows(setting, undefined, facts.joinedSince)) return true
  for (const membership of facts.memberships) if (allows(setting, membership, facts.joinedSince)) return true
  return false
}

/** The setting that a value means: `shared` when there is none or it is not understood. */
export function historyVisibility(value: unknown): HistoryVisibility {
  return value === 'world_readable' || value === 'invited' || value === 'joined' ? value : 'shared'
}

/** The setting in the content of an `m.room.history_visibility` event; undefined when the room has none. */
export function historyVisibilityOf(content: JsonObject | undefined): HistoryVisibility {
  return historyVisibility(content === undefined ? undefined : own(content, 'history_visibility'))
}

function allows(setting: HistoryVisibility, membership: string | undefined, joinedSince: boolean): boolean {
  // 1. World readable.
  if (setting === 'world_readable') return true
  // 2. The user was joined.
  if (membership === 'join') return true
  // 3. Shared, and the user joined at any point after the event.
  if (setting === 'shared' && joinedSince) return true
  // 4. Invited, and the user was.
  return setting === 'invited' && membership === 'invite'
}
