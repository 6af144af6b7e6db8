import type { App } from '../../app.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { forget, membershipOf } from '../../store/memberships.ts'
import { roomById } from '../../store/rooms.ts'
import { write } from '../write.ts'

/** Forgets a room that the user has left. Errors: M_NOT_FOUND for a room never heard of, M_UNKNOWN while in it. */
export async function forgetRoom(app: App, userId: string, roomId: string): Promise<void> {
  const row = await roomById(app.db, roomId)
  const membership = row && (await membershipOf(app.db, row.room, userId))
  if (row === undefined || membership === undefined)
    throw new MatrixError('M_NOT_FOUND', 'The room is not known to you.')
  if (membership.membership !== 'leave' && membership.membership !== 'ban') {
    throw new MatrixError('M_UNKNOWN', 'A room has to be left before it is forgotten.')
  }
  await write(app, { guards: [], writes: [forget(row.room, userId)], log: [{ kind: 'membership', user: userId }] })
}
