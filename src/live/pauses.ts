/** Pauses after failures in a row. */
export interface Pauses {
  readonly firstMs: number
  /** So many times as long as the last one is the next one. */
  readonly growth: number
  readonly maxMs: number
  /** The part of a pause, up to 1, that chance may take away. */
  readonly spread?: number
}

/**
 * A server that does not answer is left alone for a time that grows up to this; when it speaks to us, it is asked at
 * once. Not quite as long as that for each: servers that went together would be tried together.
 */
export const SERVER_PAUSES: Pauses = { firstMs: 2_000, growth: 4, maxMs: 3_600_000, spread: 0.25 }

/** Failures in a row that still make a pause longer. */
const COUNTED_MAX = 20

/** Milliseconds of the pause after so many failures before the last one, where chance takes nothing away. */
export function wholePauseMs({ firstMs, growth, maxMs }: Pauses, earlierFailures: number): number {
  return Math.min(firstMs * growth ** Math.min(earlierFailures, COUNTED_MAX), maxMs)
}
