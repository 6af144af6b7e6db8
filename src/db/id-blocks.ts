const BLOCK = 500

/**
 * Hands out ids from blocks. `reserve` adds `size` to the stored next id of the kind and returns the sum; what is left
 * of a block at the end of the process is never given.
 */
export function idBlocks(reserve: (kind: string, size: number) => Promise<number>): (kind: string) => Promise<number> {
  const blocks = new Map<string, { next: number; end: number }>()
  const reserving = new Map<string, Promise<void>>()
  return async (kind) => {
    for (;;) {
      const block = blocks.get(kind)
      if (block !== undefined && block.next < block.end) return block.next++
      let pending = reserving.get(kind)
      if (pending === undefined) {
        pending = reserve(kind, BLOCK)
          .then((end) => void blocks.set(kind, { next: end - BLOCK, end }))
          .finally(() => reserving.delete(kind))
        reserving.set(kind, pending)
      }
      await pending
    }
  }
}
