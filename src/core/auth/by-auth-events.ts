import type { AuthEvent } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import { authorise, checkAuthEvents, type Verdict } from './authorise.ts'

/** An auth event, and whether it was rejected itself. */
export type NamedEvent = AuthEvent & { readonly rejected?: boolean }

/**
 * Check 4 on receipt of a PDU (Server-Server API, "Checks performed on receipt of a PDU"): the events that it names
 * are the right ones, and allow it. `create`: in room version 12 the create event, which the room id alone names.
 */
export function authoriseByAuthEvents(
  version: RoomVersion,
  event: AuthEvent,
  named: readonly NamedEvent[],
  create: AuthEvent | undefined,
): Verdict {
  const right = checkAuthEvents(version, event, named, (other) => (other as NamedEvent).rejected === true)
  if (!right.allowed) return right
  const implied = version.roomIdIsCreateHash && create !== undefined ? [create] : []
  const authority = [...named, ...implied]
  return authorise(version, event, (type, stateKey) =>
    authority.find((found) => found.type === type && found.stateKey === stateKey),
  )
}
