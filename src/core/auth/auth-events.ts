import type { AuthEvent } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import { authStateKeys } from './select.ts'
import { ALLOW, deny, type Verdict } from './verdict.ts'

/** C: are the events that an event names as its authority the right ones? `authEvents` are those that were found. */
export function checkAuthEvents(
  version: RoomVersion,
  event: AuthEvent,
  authEvents: readonly AuthEvent[],
  isRejected: (event: AuthEvent) => boolean,
): Verdict {
  const allowed = new Set(authStateKeys(version, event).map(([type, stateKey]) => JSON.stringify([type, stateKey])))
  const seen = new Set<string>()
  for (const named of authEvents) {
    const key = JSON.stringify([named.type, named.stateKey])
    // C1: one event a key.
    if (seen.has(key)) return deny('C1', `two auth events for ${named.type}`)
    seen.add(key)
    // C2: none that the selection does not ask for.
    if (!allowed.has(key)) return deny('C2', `${named.type} does not belong among the auth events`)
    // C3: none that was rejected.
    if (isRejected(named)) return deny('C3', 'an auth event was rejected')
    // C5: none of another room.
    if (named.roomId !== event.roomId) return deny('C5', 'an auth event is of another room')
  }
  // C4 (v1-11): the create event is among them.
  const needsCreate = !version.roomIdIsCreateHash && event.type !== 'm.room.create'
  if (needsCreate && !seen.has(JSON.stringify(['m.room.create', '']))) return deny('C4', 'the create event is missing')
  return ALLOW
}
