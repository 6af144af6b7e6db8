import type { KeyCounts } from '../store/one-time-keys.ts'

/** Some clients upload new keys only when they are told that none of this algorithm are left. */
const ALWAYS_COUNTED = 'signed_curve25519'

export function shownCounts({ oneTime }: KeyCounts): Record<string, number> {
  return { [ALWAYS_COUNTED]: 0, ...Object.fromEntries(oneTime) }
}
