import type { App } from '../../app.ts'
import type { ListWish, RoomConfig } from '../../core/sliding-sync.ts'
import type { SlidingState } from '../../live/sliding-connections.ts'
import type { TypingChanges } from '../../live/typing.ts'
import type { Viewer } from '../client-events.ts'
import type { Settings } from '../settings.ts'
import type { News } from '../sync/news.ts'

/** Which rooms an extension speaks of; undefined: those of all lists, or of all subscriptions. */
export interface ExtensionWish {
  readonly lists: readonly string[] | undefined
  readonly rooms: readonly string[] | undefined
}

export interface SlidingRequest {
  readonly viewer: Viewer
  readonly connection: string
  readonly pos: string | undefined
  readonly lists: ReadonlyMap<string, ListWish>
  /** By room id. */
  readonly subscriptions: ReadonlyMap<string, RoomConfig>
  /** Each undefined when it is not wanted. */
  readonly extensions: {
    readonly toDevice: { readonly since: number; readonly limit: number } | undefined
    readonly e2ee: boolean
    readonly accountData: ExtensionWish | undefined
    readonly receipts: ExtensionWish | undefined
    readonly typing: ExtensionWish | undefined
  }
  /** Milliseconds to wait for news. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** What one answer covers. */
export interface Span {
  readonly app: App
  readonly request: SlidingRequest
  /** What the client has; undefined: nothing. */
  readonly base: SlidingState | undefined
  readonly to: number
  readonly typing: TypingChanges
  readonly news: News
  readonly settings: Settings
}

export function happened(span: Span, room: number | null, ...kinds: readonly string[]): boolean {
  return span.news === undefined || kinds.some((kind) => span.news?.get(room)?.has(kind) === true)
}
