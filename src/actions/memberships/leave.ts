import type { App } from '../../app.ts'
import { buildEvent, type Event } from '../../core/event.ts'
import { type EventId, type RoomId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomVersion } from '../../core/room-version.ts'
import { serversShown } from '../../core/stripped-state.ts'
import { sendByV2 } from '../../remote/ask-server.ts'
import { membershipOf } from '../../store/memberships.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { type RoomRow, roomById } from '../../store/rooms.ts'
import { byServers } from '../federation/by-servers.ts'
import { changeMembership, type MembershipWish } from './change-membership.ts'
import { builtFrom, type MemberWish, membershipTemplate } from './membership-template.ts'
import { setMembershipOutside } from './set-membership-outside.ts'

/**
 * Leaves a room, rejects an invite or takes back a knock. Where this server is not in the room the server that invited
 * is told; if it cannot be, the user has left all the same. Errors: those of `changeMembership`.
 */
export async function leave(app: App, wish: Omit<MembershipWish, 'membership'>): Promise<EventId> {
  const room = await roomById(app.db, wish.roomId)
  const inRoom = room !== undefined && (await serverIsIn(app.db, room.room, app.serverName))
  const member = room === undefined ? undefined : await membershipOf(app.db, room.room, wish.target)
  const outside = room !== undefined && !inRoom && (member?.membership === 'invite' || member?.membership === 'knock')
  if (!outside) return changeMembership(app, { ...wish, membership: 'leave' })
  // From room version 12 on the id of a room names no server.
  const servers = [serverNameOf(member.sender), serverNameOf(room.room_id), ...serversShown(member.stripped_state)]
  const event = await told(app, wish, servers).catch((error: unknown) => {
    if (!(error instanceof MatrixError)) throw error
    app.log.info({ room: room.room_id, reason: error.message }, 'nobody was told of the leave')
    return leaveAlone(app, room, wish)
  })
  await setMembershipOutside(app, event)
  return event.eventId
}

/** The leave as one of the servers took it (Server-Server API, "Leaving Rooms (Rejecting Invites)"). */
function told(app: App, wish: Omit<MembershipWish, 'membership'>, servers: readonly ServerName[]): Promise<Event> {
  const member: MemberWish = { roomId: wish.roomId as RoomId, userId: wish.target, membership: 'leave' }
  return byServers(app, wish.roomId, servers, async (server) => {
    const event = builtFrom(app, await membershipTemplate(app, server, member), member, reasonOf(wish))
    const path = `/send_leave/${encodeURIComponent(wish.roomId)}/${encodeURIComponent(event.eventId)}`
    await sendByV2(app, server, path, { content: event.pdu })
    return event
  })
}

/** A leave that no other server has heard of: its user's clients are shown it. */
function leaveAlone(app: App, room: RoomRow, wish: Omit<MembershipWish, 'membership'>): Event {
  const version = roomVersion(room.version ?? '') ?? roomVersion('1')!
  const draft = {
    roomId: room.room_id as RoomId,
    type: 'm.room.member',
    stateKey: wish.target,
    sender: wish.target,
    content: { membership: 'leave', ...reasonOf(wish) },
    originServerTs: app.clock.now(),
    depth: 1,
    prevEvents: [],
    authEvents: [],
  }
  return buildEvent(version, draft, app.serverName, app.key)
}

function reasonOf({ reason }: Omit<MembershipWish, 'membership'>): { reason?: string } {
  return reason === undefined ? {} : { reason }
}
