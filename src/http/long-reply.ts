import { Readable } from 'node:stream'
import type { LongText } from '../core/long-text.ts'

/** About as much as can be encoded and sent in a millisecond on a small machine. */
const SLICE_LENGTH = 64 * 1_024

/** A short text as it is; a long one in slices, between which the loop goes on with other requests. */
export function longReply({ pieces }: LongText): string | Readable {
  let length = 0
  for (const piece of pieces) length += piece.length
  return length <= SLICE_LENGTH ? pieces.join('') : Readable.from(slices(pieces), { objectMode: false })
}

async function* slices(pieces: readonly string[]): AsyncGenerator<Buffer> {
  let slice: string[] = []
  let length = 0
  for (const piece of pieces) {
    slice.push(piece)
    length += piece.length
    if (length < SLICE_LENGTH) continue
    yield Buffer.from(slice.join(''))
    await new Promise(setImmediate)
    slice = []
    length = 0
  }
  yield Buffer.from(slice.join(''))
}
