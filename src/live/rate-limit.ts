import { MatrixError } from '../core/matrix-error.ts'
import type { Clock } from './time.ts'

export interface RateLimitOptions {
  readonly enabled: boolean
  /** Calls that may come at once. */
  readonly threshold: number
  /** Milliseconds after which one more is allowed. */
  readonly cooloffMs: number
  readonly exemptUserIds: readonly string[]
}

/** Budgets by caller and class, in this process alone. */
export interface RateLimiter {
  /** Counts one call. Errors: M_LIMIT_EXCEEDED with `retry_after_ms`. */
  check(caller: string, kind: string): void
}

/** Budgets remembered; the least recently used is forgotten first. */
const MAX_BUDGETS = 20_000

export function createRateLimiter(options: RateLimitOptions, clock: Clock): RateLimiter {
  const budgets = new Map<string, { left: number; at: number }>()
  const perMs = 1 / options.cooloffMs
  const exempt = new Set(options.exemptUserIds)
  return {
    check(caller, kind) {
      if (!options.enabled || exempt.has(caller)) return
      const key = `${kind}|${caller}`
      const now = clock.monotonic()
      const budget = budgets.get(key) ?? { left: options.threshold, at: now }
      const left = Math.min(options.threshold, budget.left + (now - budget.at) * perMs)
      budgets.delete(key)
      budgets.set(key, { left: Math.max(left - 1, Math.min(left, 0)), at: now })
      const oldest = budgets.keys().next()
      if (budgets.size > MAX_BUDGETS && !oldest.done) budgets.delete(oldest.value)
      if (left >= 1) return
      budgets.set(key, { left, at: now })
      throw new MatrixError('M_LIMIT_EXCEEDED', 'Too many requests.', { retry_after_ms: Math.ceil((1 - left) / perMs) })
    },
  }
}
