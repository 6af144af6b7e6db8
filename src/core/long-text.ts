/** JSON text that may be some megabytes long, in pieces: nobody puts it together, since that would hold up the loop. */
export class LongText {
  readonly pieces: readonly string[]

  constructor(pieces: readonly string[]) {
    this.pieces = pieces
  }
}
