import type { Readable } from 'node:stream'
import type { Clock, Random } from '../live/time.ts'

/** Where the bytes of media lie, by the SHA-256 of their content. All of it may throw StorageAway. */
export interface Blobs {
  /**
   * Takes in a content as it comes, without holding it in memory. Errors: TooLarge, and those of the source; nothing is
   * left then.
   */
  take(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<TakenBlob>
  /** The content or a part of it, `end` inclusive; undefined when it is not there. */
  open(hash: string, range?: BlobRange): Promise<Readable | undefined>
  /** Removes a content, unless it is known after all, or arriving at this moment. */
  remove(hash: string): Promise<void>
  /**
   * Clears away what a crash has left of contents that nobody came to know of. `alone`: no process takes anything in at
   * this moment, so that what lies on this machine is left over, whatever its age.
   */
  sweep(alone?: 'alone'): Promise<void>
}

export interface BlobRange {
  readonly start: number
  readonly end: number
}

/** What those who store blobs are given besides the place. */
export interface BlobsWorld {
  readonly clock: Clock
  readonly random: Random
  /** Whether the database knows of a content. */
  isKnown(hash: string): Promise<boolean>
}

/** A content that lies where it belongs. A crash before one of the two is mended by `sweep`. */
export interface TakenBlob {
  readonly hash: string
  readonly bytes: number
  /** The database knows of it now. */
  keep(): Promise<void>
  /** The database does not; the same content may be known from elsewhere. */
  drop(): Promise<void>
}

/** What is younger may still be on its way, also in another process. */
export const SWEEP_AGE_MS = 3_600_000

const HASH = /^[0-9a-f]{64}$/

export function isHash(text: string): boolean {
  return HASH.test(text)
}

/** More bytes came than may. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

const RETRY_AFTER_S = 5
const RETRY_WHEN_FULL_S = 60

/** The place of the bytes cannot be reached, or does not do what it is asked for now. */
export class StorageAway extends Error {
  override readonly name = 'StorageAway'
  /** When a client may try again. */
  readonly retryAfterS: number = RETRY_AFTER_S
}

/** There is no room for another file. */
export class StorageFull extends StorageAway {
  override readonly retryAfterS = RETRY_WHEN_FULL_S
}
