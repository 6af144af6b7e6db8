import type { App } from '../app.ts'
import { type EventId, type RoomId, type ServerName, serverNameOf } from '../core/ids.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { logPosition } from '../db/sql.ts'
import { Refused, sendByV2 } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { type MembershipRow, changeMembership as memberRow, membershipOf } from '../store/memberships.ts'
import { outOfBand } from '../store/out-of-band.ts'
import { serverIsIn } from '../store/room-servers.ts'
import { type RoomRow, roomById } from '../store/rooms.ts'
import { changeMembership, type MembershipWish } from './change-membership.ts'
import { builtFrom, membershipTemplate } from './join-remote-room.ts'
import { write } from './write.ts'

/**
 * Leaves a room, rejects an invite or takes back a knock. Where this server is not in the room the server that invited
 * is told; if it cannot be, the user has left all the same. Errors: those of `changeMembership`.
 */
export async function leave(app: App, wish: Omit<MembershipWish, 'membership'>): Promise<EventId | undefined> {
  const room = await roomById(app.db, wish.roomId)
  const inRoom = room !== undefined && (await serverIsIn(app.db, room.room, app.serverName))
  const member = room === undefined ? undefined : await membershipOf(app.db, room.room, wish.target)
  const outside = room !== undefined && !inRoom && (member?.membership === 'invite' || member?.membership === 'knock')
  if (!outside) return changeMembership(app, { ...wish, membership: 'leave' })
  await tell(app, room, wish, serversToTell(room.room_id, member)).catch((error: unknown) => {
    if (!(error instanceof Unreachable || error instanceof Refused || error instanceof MatrixError)) throw error
    app.log.info({ room: room.room_id, reason: error.message }, 'nobody was told of the leave')
  })
  const row = { room: room.room, userId: wish.target, membership: 'leave', event: null, sender: wish.sender }
  const nothing = { strippedState: null, displayname: null, avatarUrl: null }
  await write(app, {
    guards: [],
    writes: [...memberRow({ ...row, ...nothing, position: logPosition(0) }), outOfBand(room.room, wish.target)],
    log: [{ kind: 'membership', room: room.room, user: wish.target }],
  })
  return undefined
}

function serversToTell(roomId: string, member: MembershipRow): ServerName[] {
  return [...new Set([serverNameOf(member.sender), serverNameOf(roomId)])].filter((server) => server !== '')
}

async function tell(
  app: App,
  room: RoomRow,
  wish: Omit<MembershipWish, 'membership'>,
  servers: readonly ServerName[],
): Promise<void> {
  let failure: unknown = new MatrixError('M_NOT_FOUND', 'no server is known')
  for (const server of servers.filter((name) => name !== app.serverName)) {
    try {
      const at = { roomId: room.room_id as RoomId, userId: wish.target }
      const template = await membershipTemplate(app, server, 'leave', at.roomId, at.userId)
      const reason = wish.reason === undefined ? {} : { reason: wish.reason }
      const event = builtFrom(app, template, at, { membership: 'leave', ...reason })
      const path = `/send_leave/${encodeURIComponent(room.room_id)}/${encodeURIComponent(event.eventId)}`
      await sendByV2(app, server, path, { content: event.pdu })
      return
    } catch (error) {
      failure = error
    }
  }
  throw failure
}
