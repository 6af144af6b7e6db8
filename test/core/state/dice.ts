/** Random choices from one seed: the same seed gives the same choices everywhere. */
export interface Dice {
  /** A whole number from 0 to limit − 1. */
  readonly below: (limit: number) => number
  /** A whole number from low to high, both included. */
  readonly between: (low: number, high: number) => number
  readonly pick: <Item>(items: readonly Item[]) => Item
  readonly shuffle: <Item>(items: readonly Item[]) => Item[]
}

/** A linear congruential generator modulo 2^48; its upper 31 bits are good enough to build rooms with. */
export function diceOf(seed: number): Dice {
  // The multiplication spreads neighbouring seeds, whose first choices would be alike otherwise.
  let state = BigInt(seed) * 0x5_851f_42d5n + 0x1405_7b7en
  const below = (limit: number): number => {
    state = BigInt.asUintN(48, state * 25_214_903_917n + 11n)
    return Math.floor((Number(state >> 17n) / 2 ** 31) * limit)
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
