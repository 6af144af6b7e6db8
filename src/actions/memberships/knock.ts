import type { App } from '../../app.ts'
import { type EventId, type RoomId, type ServerName, serverNameOf } from '../../core/ids.ts'
import { own } from '../../core/json.ts'
import { roomBlocked } from '../../core/matrix-error.ts'
import { askServer, federationPath } from '../../remote/ask-server.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { roomById } from '../../store/rooms.ts'
import { byServers } from '../federation/by-servers.ts'
import { changeMembership, type MembershipWish, memberProfile } from './change-membership.ts'
import { builtFrom, membershipTemplate } from './membership-template.ts'
import { setMembershipOutside } from './set-membership-outside.ts'
import { readShownState } from './shown-state.ts'

/**
 * Knocks on a room as a local user, by way of one of the servers where this one is not in it (Server-Server API,
 * "Knocking upon a room"). Errors: those of `changeMembership`, and what the last server said.
 */
export async function knock(
  app: App,
  wish: Omit<MembershipWish, 'membership'>,
  servers: readonly ServerName[],
): Promise<EventId> {
  const row = await roomById(app.db, wish.roomId)
  if (row?.blocked === 1) throw roomBlocked()
  if (row !== undefined && (await serverIsIn(app.db, row.room, app.serverName)))
    return changeMembership(app, { ...wish, membership: 'knock' })
  return byServers(app, wish.roomId, [...servers, serverNameOf(wish.roomId)], (server) => knockBy(app, wish, server))
}

async function knockBy(app: App, wish: Omit<MembershipWish, 'membership'>, server: ServerName): Promise<EventId> {
  const member = { roomId: wish.roomId as RoomId, userId: wish.target, membership: 'knock' as const }
  const template = await membershipTemplate(app, server, member)
  const reason = wish.reason === undefined ? {} : { reason: wish.reason }
  const event = builtFrom(app, template, member, { ...(await memberProfile(app, wish.target)), ...reason })
  const uri = federationPath`/v1/send_knock/${member.roomId}/${event.eventId}`
  const answer = await askServer(app, server, { method: 'PUT', uri, content: event.pdu })
  const room = { version: template.version, roomId: member.roomId }
  const shown = await readShownState(app, room, own(answer, 'knock_room_state'), (fault) =>
    app.log.info({ room: member.roomId, server, fault }, 'what a server shows of a room is left out'),
  )
  await setMembershipOutside(app, event, shown)
  return event.eventId
}
