import type { AuthEvent } from '../event.ts'
import type { PowerLevels } from '../power-levels.ts'
import type { RoomVersion } from '../room-version.ts'

/** What the rules say. `rule` names the one that refused, by the numbers of this folder's README. */
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
  readonly senderLevel: number
}

export const ALLOW: Verdict = { allowed: true }

export function deny(rule: string, reason: string): Verdict {
  return { allowed: false, rule, reason }
}
