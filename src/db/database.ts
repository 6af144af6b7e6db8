import type { Dialect, Row, Sql } from './sql.ts'

/** A question with the answer that the action saw. The batch is written only if the answer is still the same. */
export interface Guard {
  /**
   * Names the thing guarded (`heads:12`): two batches about one thing share a group only when one is `basedOn` the
   * other.
   */
  readonly about: string
  readonly query: Sql
  /** The rows expected, compared by value and order. */
  readonly expect: readonly Row[]
  /**
   * Without it the batch would break a unique key: it is asked only when its group could not be written as a whole.
   */
  readonly keyed?: true
}

/** A row of the log: what changed, for wake-ups and followers. It names whom it concerns and carries no data. */
export interface LogRow {
  readonly kind: string
  readonly room?: number | null
  readonly user?: string | null
  readonly device?: string | null
  readonly subject?: string | null
}

/** Everything that one action writes, as data: it becomes durable as a whole or not at all. */
export interface Batch {
  readonly guards: readonly Guard[]
  readonly writes: readonly Sql[]
  readonly log: readonly LogRow[]
  /**
   * The batch, still queued or already committed, whose outcome this one builds on. It falls with it. Guards about
   * a thing that the earlier batch guards too are not asked again while both stand in one group. Who queued the batch
   * clears it after the commit, so that no chain of old batches is kept alive.
   */
  basedOn?: Batch | undefined
}

/**
 * `positions` are those of the batch's log rows, in order. `failed`: a guard did not hold, or the batch it stood on
 * fell.
 */
export type CommitOutcome =
  | { readonly committed: true; readonly positions: readonly number[] }
  | { readonly committed: false; readonly failed: string }

export interface Database {
  readonly dialect: Dialect
  /** Runs one query. Errors: DatabaseUnavailable when the engine cannot be reached or has no room. */
  read<R = Row>(query: Sql): Promise<R[]>
  /**
   * Queues the batch for the next group; resolves once it is durable (on SQLite: synced to disk). Rejects with
   * DatabaseUnavailable, or with the engine's own error for a batch that no engine would take. Resolution order is
   * commit order.
   */
  commit(batch: Batch): Promise<CommitOutcome>
  /** The last position that is durable and that every lower position precedes. Views read up to here. */
  safePosition(): number
  /** Calls back whenever `safePosition()` grew, by this process or by another. Returns the way to stop. */
  onGrown(listener: (position: number) => void): () => void
  /**
   * Tells the other servers on the database what they may miss: texts of some hundred bytes that are kept nowhere. On
   * SQLite there are no others.
   */
  tell(text: string): Promise<void>
  /** Calls back with what a server told, this one too. Returns the way to stop. */
  onTold(listener: (text: string) => void): () => void
  /**
   * The next integer id of a kind ("event", "room", "snapshot"), out of a block reserved beforehand; never given
   * twice, not even by another process.
   */
  nextId(kind: string): Promise<number>
  /** Counts queries since the start, for tests and metrics. */
  readonly queryCount: number
  close(): Promise<void>
}

/** The database cannot take the request now: unreachable, full, or shutting down. Answered with 503. */
export class DatabaseUnavailable extends Error {
  override readonly name = 'DatabaseUnavailable'
}

/** Where the database is: `file:dendrite.db` (path relative to `dir`) or `postgres://…`. */
export interface DatabaseOptions {
  readonly connectionString: string
  readonly maxOpenConnections?: number
  /**
   * The server sets it, commands beside it do not: it keeps migrations out and, on SQLite, a second server, too.
   */
  readonly exclusive?: boolean
  /** `NORMAL` alone, without the awaited sync: only for the test that shows what it loses. */
  readonly unsafeNoSync?: boolean
}
