/** Random choices from one seed: the same seed gives the same choices everywhere. */
export interface Dice {
  /** A whole number from 0 to limit − 1. */
  readonly below: (limit: number) => number
  /** A whole number from low to high, both included. */
  readonly between: (low: number, high: number) => number
  readonly pick: <Item>(items: readonly Item[]) => Item
  readonly shuffle: <Item>(items: readonly Item[]) => Item[]
}

/** Marsaglia's xorshift with 32 bits: good enough to build rooms with, and cheap. */
export function diceOf(seed: number): Dice {
  // The multiplication spreads neighbouring seeds, whose first choices would be alike otherwise; 0 would stay 0.
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1
  const below = (limit: number): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return Math.floor(((state >>> 0) / 2 ** 32) * limit)
  }
  const pick = <Item>(items: readonly Item[]): Item => {
    if (items.length === 0) throw new Error('nothing to pick from')
    return items[below(items.length)]!
  }
  const shuffle = <Item>(items: readonly Item[]): Item[] => {
    const shuffled = [...items]
    for (let last = shuffled.length - 1; last > 0; last -= 1) {
      const other = below(last + 1)
      const item = shuffled[last]!
      shuffled[last] = shuffled[other]!
      shuffled[other] = item
    }
    return shuffled
  }
  return { below, between: (low, high) => low + below(high - low + 1), pick, shuffle }
}
