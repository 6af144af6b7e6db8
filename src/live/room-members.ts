import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { roomByNumber } from '../store/rooms.ts'

/** The log row of a room whose members are all known from here on. */
export const MEMBERS_KNOWN = 'members_known'
/** The same of a room that lacked none: who knows its members need hear of them no more. */
export const NO_MEMBERS_LACKED = 'no_members_lacked'

/** How long a request waits for the members of a room that was just joined. */
const WAIT_MS = 60_000

/** The question needs a member whom this server does not know yet: `membersOfRoom` waits for them. */
export class RoomIncomplete extends MatrixError {
  constructor() {
    super('M_UNKNOWN', 'The members of the room are still on their way; try again.', {}, 503)
  }
}

/**
 * Resolves when all members of the room are known, at once for nearly every room: after a join by way of another
 * server they come a little later. Errors: RoomIncomplete when that takes too long.
 */
export async function membersOfRoom(app: App, room: number, waitMs = WAIT_MS): Promise<void> {
  const endMs = app.clock.monotonic() + waitMs
  const rooms = new Set([room])
  for (;;) {
    const since = app.db.safePosition()
    const row = await roomByNumber(app.db, room)
    if (row === undefined || row.partial_state === 0) return
    const timeoutMs = endMs - app.clock.monotonic()
    if (timeoutMs <= 0) throw new RoomIncomplete()
    const { signal } = new AbortController()
    await app.live.waiters.wait({ userId: '', deviceId: '', rooms, since, timeoutMs, signal })
  }
}
