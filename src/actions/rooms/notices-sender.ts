import type { App } from '../../app.ts'
import { userId as makeUserId, type UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { membershipOf } from '../../store/memberships.ts'
import { roomById } from '../../store/rooms.ts'

/** The user in whose name the server speaks (Client-Server API, "Server Notices"). */
export function noticesSender(app: App): UserId {
  return makeUserId(app.config.global.server_notices.local_part, app.serverName)
}

/**
 * An invite to the room of notices is not rejected; who has joined may leave.
 * Errors: M_CANNOT_LEAVE_SERVER_NOTICE_ROOM.
 */
export async function checkMayReject(app: App, userId: string, roomId: string): Promise<void> {
  if (!app.config.global.server_notices.enabled) return
  const room = await roomById(app.db, roomId)
  const member = room && (await membershipOf(app.db, room.room, userId))
  if (member?.membership === 'invite' && member.sender === noticesSender(app))
    throw new MatrixError('M_CANNOT_LEAVE_SERVER_NOTICE_ROOM', 'What the server has to say cannot be rejected.')
}
