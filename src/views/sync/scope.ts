import type { App } from '../../app.ts'
import type { Filter } from '../../core/filter.ts'
import type { TypingChanges } from '../../live/typing.ts'
import type { RoomOfUser } from '../../store/memberships.ts'
import type { Viewer } from '../client-events.ts'
import type { Settings } from '../settings.ts'
import type { SyncToken } from '../tokens.ts'
import type { News } from './news.ts'

export interface SyncRequest {
  readonly viewer: Viewer
  readonly since: string | undefined
  readonly filter: Filter
  /** The text that the filter came from: equal syncs have equal ones. */
  readonly filterText: string
  readonly fullState: boolean
  /** The key of the state up to the end of the timeline, when the client wants that instead of `state`. */
  readonly stateAfterKey: string | undefined
  /** Milliseconds to wait for news. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What one answer covers: the log in (since, to], for one device. */
export interface Scope {
  readonly app: App
  readonly request: SyncRequest
  readonly token: SyncToken | undefined
  readonly since: number
  readonly to: number
  /** The client knows nothing yet. */
  readonly initial: boolean
  /** Typing lists that the client may not have. */
  readonly typing: TypingChanges
  readonly news: News
  readonly settings: Settings
}

/** In the place of a membership: the device looks into the room without the user being in it (MSC2753). */
export const PEEK = 'peek'

/** A room of the answer. */
export interface SyncRoom extends RoomOfUser {
  /** The timeline begins after this position: 0 for rooms that are new to the client. */
  readonly from: number
  /** The last position of the room that concerns the user. */
  readonly until: number
  /** The client gets the state as a whole, not the changes. */
  readonly wholeState: boolean
  /** How the user's membership ended, in a room that was left. The state of the room afterwards is none of theirs. */
  readonly end: { readonly position: number; readonly event: number | null } | undefined
  /** The user was not in at all: none of the room's state is theirs. */
  readonly outside: boolean
}

/** Whether something of the kind happened in the room, or may have. */
export function hasNews(scope: Scope, room: number | null, kind: string): boolean {
  return scope.news === undefined || scope.news.get(room)?.has(kind) === true
}
