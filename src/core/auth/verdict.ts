import type { AuthEvent } from '../event.ts'
import { own } from '../json.ts'
import type { Level, PowerLevels } from '../power-levels.ts'
import type { RoomVersion } from '../room-version.ts'
import { type RuleName, ruleNumbers } from './rule-numbers.ts'

/** What the rules say. `rule` is the number of the one that refused, on the page of the room version. */
export type Verdict =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly rule: string; readonly reason: string }

/** The state that an event is held against: the event under a key, or undefined. */
export type StateReader = (type: string, stateKey: string) => AuthEvent | undefined

/** What every rule has at hand. */
export interface Case {
  readonly version: RoomVersion
  readonly event: AuthEvent
  readonly state: StateReader
  readonly create: AuthEvent
  readonly levels: PowerLevels
  readonly senderLevel: Level
}

export const ALLOW: Verdict = { allowed: true }

export function deny(version: RoomVersion, rule: RuleName, reason: string): Verdict {
  return { allowed: false, rule: ruleNumbers(version).get(rule) ?? rule, reason }
}

/** The user's membership in the state; undefined without a member event. */
export function membershipIn(state: StateReader, userId: string): string | undefined {
  const found = state('m.room.member', userId)
  const membership = found === undefined ? undefined : own(found.content, 'membership')
  return typeof membership === 'string' ? membership : undefined
}
