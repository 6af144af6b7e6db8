import type { App } from '../app.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type PresenceRow, presenceOf, shareRoom } from '../store/presence.ts'
import { userById } from '../store/users.ts'

/** Without a note of activity for so long a user is offline: the process that watched may have died. */
const STALE_MS = 600_000

export interface ShownPresence {
  readonly presence: string
  readonly status_msg?: string
  readonly last_active_ago?: number
  readonly currently_active?: boolean
}

/** What others see of a user. Errors: M_FORBIDDEN unless they share a room, M_NOT_FOUND for nobody. */
export async function presence(app: App, viewerId: string, userId: string): Promise<ShownPresence> {
  if ((await userById(app.db, userId)) === undefined) throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  if (viewerId !== userId && !(await shareRoom(app.db, viewerId, userId)))
    throw new MatrixError('M_FORBIDDEN', 'You share no room with this user.')
  const row = app.config.global.presence.enable_outbound ? await presenceOf(app.db, userId) : undefined
  return row === undefined ? { presence: 'offline' } : shownPresence(app, row)
}

export function shownPresence(app: App, row: PresenceRow): ShownPresence {
  const ago = Math.max(0, app.clock.now() - row.last_active_ts)
  const current = ago < STALE_MS ? row.presence : 'offline'
  return {
    presence: current,
    last_active_ago: ago,
    ...(current === 'online' ? { currently_active: true } : {}),
    ...(row.status_msg === null ? {} : { status_msg: row.status_msg }),
  }
}
