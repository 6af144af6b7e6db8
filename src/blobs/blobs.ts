import type { Readable } from 'node:stream'

/** Where the bytes of media lie, by the SHA-256 of their content. */
export interface Blobs {
  /**
   * Takes in a content as it comes, without holding it in memory. Errors: TooLarge, and those of the source and the
   * disk; nothing is left then.
   */
  take(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<TakenBlob>
  /** The content or a part of it, `end` inclusive; undefined when it is not there. */
  open(hash: string, range?: { readonly start: number; readonly end: number }): Promise<Readable | undefined>
  remove(hash: string): Promise<void>
  /** Clears away what a crash has left of contents that nobody came to know of. */
  sweep(isKnown: (hash: string) => Promise<boolean>): Promise<void>
}

/** A content that lies where it belongs. A crash before one of the two is mended by `sweep`. */
export interface TakenBlob {
  readonly hash: string
  readonly bytes: number
  /** The database knows of it now. */
  keep(): Promise<void>
  /** The database does not, unless the same content `isKnown` from elsewhere. */
  drop(isKnown: boolean): Promise<void>
}

/** More bytes came than may. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge'
}
