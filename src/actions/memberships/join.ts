import type { App } from '../../app.ts'
import { type EventId, type RoomId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { MatrixError, roomBlocked } from '../../core/matrix-error.ts'
import { membershipOf } from '../../store/memberships.ts'
import { serverIsIn, serversIn } from '../../store/room-servers.ts'
import { roomById, roomSummary } from '../../store/rooms.ts'
import { carryOver } from '../rooms/carry-over.ts'
import { changeMembership, type MembershipWish } from './change-membership.ts'
import { joinRemoteRoom } from './join-remote-room.ts'

/**
 * Joins a room as a local user, by way of one of the servers where this one is not in it, or where none of its users
 * may vouch for the join. One that replaces a room of the user's takes over what the user has set for the old one.
 * Errors: those of `changeMembership` and of `joinRemoteRoom`.
 */
export async function join(
  app: App,
  wish: Omit<MembershipWish, 'membership'>,
  servers: readonly ServerName[] = [],
): Promise<EventId> {
  const eventId = await enter(app, wish, servers)
  if (wish.guest === true) await checkGuest(app, wish)
  await carryOver(app, wish.target, wish.roomId)
  return eventId
}

/** Whether a room takes guests is known in the room alone: whom it does not take leaves at once. */
async function checkGuest(app: App, wish: Omit<MembershipWish, 'membership'>): Promise<void> {
  if ((await roomSummary(app.db, wish.roomId))?.guest_access === 'can_join') return
  await changeMembership(app, { ...wish, membership: 'leave', content: undefined })
  throw new MatrixError('M_GUEST_ACCESS_FORBIDDEN', 'The room takes no guests.')
}

async function enter(
  app: App,
  wish: Omit<MembershipWish, 'membership'>,
  servers: readonly ServerName[],
): Promise<EventId> {
  const row = await roomById(app.db, wish.roomId)
  if (row?.blocked === 1) throw roomBlocked()
  const reason = wish.reason === undefined ? {} : { reason: wish.reason }
  const remote = { roomId: wish.roomId as RoomId, userId: wish.target, content: { ...wish.content, ...reason } }
  if (row !== undefined && (await serverIsIn(app.db, row.room, app.serverName))) {
    try {
      return await changeMembership(app, { ...wish, membership: 'join' })
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_UNABLE_TO_GRANT_JOIN') throw error
      const others = (await serversIn(app.db, row.room)).filter((server) => server !== app.serverName)
      if (others.length === 0) throw error
      return joinRemoteRoom(app, { ...remote, servers: others })
    }
  }
  const inviter = row === undefined ? undefined : (await membershipOf(app.db, row.room, wish.target))?.sender
  const likely = [...(inviter === undefined ? [] : [serverNameOf(inviter)]), ...servers, serverNameOf(wish.roomId)]
  return joinRemoteRoom(app, { ...remote, servers: likely.filter((server) => server !== '') })
}
