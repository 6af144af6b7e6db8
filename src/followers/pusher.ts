import type { PusherRow } from '../store/pushers.ts'
import type { Lease } from './lease.ts'
import type { Pace } from './pace.ts'

/** A pusher as the reader of the log has it (`push.ts`), wherever it leads. */
export interface Pusher {
  /** As its client has set it last. */
  row: PusherRow
  readonly pace: Pace
  /** Something in the log concerns its user. */
  wake(): void
  /** It is there no more. */
  leave(): void
}

/** What the pushers of a process share. */
export interface PushWorld {
  readonly lease: Lease
  /** Nothing is begun any more; what is under way may end until `hangUp`. */
  stopped: boolean
  readonly hangUp: AbortController
}
