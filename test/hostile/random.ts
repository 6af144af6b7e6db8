/** Chance that the same seed repeats. */
export interface Chance {
  /** From 0 up to 1. */
  next(): number
  /** From 0 up to `end`, a whole number. */
  below(end: number): number
  /** True so often: 0.1 is one time in ten. */
  happens(share: number): boolean
  pick<T>(values: readonly T[]): T
  /** How often something stands where another thing is wanted: some requests are nearly as they should be. */
  readonly hostility: number
}

const HOSTILITIES = [0, 0.03, 0.1, 0.3]

export function chanceFrom(seed: number): Chance {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (end: number) => Math.floor(next() * end)
  const pick = <T>(values: readonly T[]) => values[below(values.length)]!
  return { next, below, happens: (share) => next() < share, pick, hostility: pick(HOSTILITIES) }
}
