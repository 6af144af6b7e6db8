import { type JsonObject, own } from './json.ts'

/** How long messages are kept, in milliseconds; 0: nothing is said of it. */
export interface RetentionRules {
  readonly default_policy: { readonly min_lifetime: number; readonly max_lifetime: number }
  readonly allowed_lifetime_min: number
  readonly allowed_lifetime_max: number
}

/** A room's own policy, the type of the state event (MSC1763). */
export const RETENTION = 'm.room.retention'

/**
 * How long the messages of a room are kept, in milliseconds, by the content of its `m.room.retention` and the rules of
 * the server (MSC1763): the shorter of both, but no less than the lifetime that they promise, within the limits that
 * the server sets to rooms. Undefined: for ever. What is no time counts as not said.
 */
export function lifetimeOf(rules: RetentionRules, content: JsonObject | undefined): number | undefined {
  const { min_lifetime: usualMin, max_lifetime: usualMax } = rules.default_policy
  const longest = Math.min(timeIn(content, 'max_lifetime') ?? Infinity, usualMax > 0 ? usualMax : Infinity)
  if (longest === Infinity) return undefined
  const kept = Math.max(longest, timeIn(content, 'min_lifetime') ?? usualMin)
  const atMost = rules.allowed_lifetime_max > 0 ? rules.allowed_lifetime_max : Infinity
  return Math.max(Math.min(kept, atMost), rules.allowed_lifetime_min)
}

function timeIn(content: JsonObject | undefined, key: string): number | undefined {
  const value = content === undefined ? undefined : own(content, key)
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : undefined
}
