import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { visibleTo } from '../core/visibility.ts'
import { membershipHistory, membershipOf } from '../store/memberships.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'

/** A room of which the user may read something: which events, `visibleEvents` decides. */
export interface ReadableRoom extends RoomRow {
  /** How the user's last stay ended; undefined for members, and for who was never in. */
  readonly end: { readonly position: number; readonly event: number | null } | undefined
  /** What happens after this position is shown to the user only if it is open to everybody; undefined: no such end. */
  readonly until: number | undefined
  /** The state as a whole may be read too. */
  readonly stateShown: boolean
}

/**
 * The room for members and former members; for others as far as an event sent now would be shown to them: to anybody
 * in a world-readable room. Who forgot a room is like one who never was in. Errors: M_FORBIDDEN.
 */
export async function readableRoom(app: App, userId: string, roomId: string): Promise<ReadableRoom> {
  const room = await roomById(app.db, roomId)
  const membership = room && (await membershipOf(app.db, room.room, userId))
  if (room === undefined) throw refusal()
  if (membership?.membership === 'join') return { ...room, end: undefined, until: undefined, stateShown: true }
  if (membership !== undefined && membership.forgotten === 0) {
    const history = await membershipHistory(app.db, userId, [room.room])
    const last = history.findLastIndex((step) => step.membership === 'join')
    const until = membership.membership === 'invite' ? undefined : history.at(-1)?.position
    // The banned keep what they have read, and may not look the room up again.
    const stateShown = membership.membership !== 'ban'
    if (last !== -1) return { ...room, end: history[last + 1], until, stateShown }
  }
  const visibility = room.history_visibility ?? undefined
  const present = membership?.forgotten === 1 ? undefined : membership?.membership
  if (!visibleTo({ visibility, membership: present, joinedSince: false })) throw refusal()
  return { ...room, end: undefined, until: undefined, stateShown: visibility === 'world_readable' }
}

/** A room as administrators read it: all of it. Errors: M_NOT_FOUND. */
export async function anyRoom(app: App, roomId: string): Promise<ReadableRoom> {
  const room = await roomById(app.db, roomId)
  if (room === undefined) throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  return { ...room, end: undefined, until: undefined, stateShown: true }
}

function refusal(): MatrixError {
  return new MatrixError('M_FORBIDDEN', 'You are not in this room, and it is not open to readers.')
}
