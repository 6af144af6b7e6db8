import type { AuthEvent } from '../event.ts'
import type { RoomVersion } from '../room-version.ts'
import { authStateKeys } from './select.ts'
import { ALLOW, deny, type Verdict } from './verdict.ts'

/** Are the events that an event names as its authority the right ones? `authEvents` are those that were found. */
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
    if (seen.has(key)) return deny(version, 'auth_events.duplicate', `two auth events for ${named.type}`)
    seen.add(key)
    if (!allowed.has(key)) {
      return deny(version, 'auth_events.selection', `${named.type} does not belong among the auth events`)
    }
    if (isRejected(named)) return deny(version, 'auth_events.rejected', 'an auth event was rejected')
    if (named.roomId !== event.roomId) {
      return deny(version, 'auth_events.room_id', 'an auth event is of another room')
    }
  }
  const needsCreate = !version.roomIdIsCreateHash && event.type !== 'm.room.create'
  if (needsCreate && !seen.has(JSON.stringify(['m.room.create', '']))) {
    return deny(version, 'auth_events.create', 'the create event is missing')
  }
  return ALLOW
}
