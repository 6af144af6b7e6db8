import type { App } from '../app.ts'
import { type EventId, type RoomId, type ServerName, serverNameOf } from '../core/ids.ts'
import { canonicalJson, own } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { pruneStrippedState } from '../core/stripped-state.ts'
import { logPosition } from '../db/sql.ts'
import { askServer, federationPath } from '../remote/ask-server.ts'
import { changeMembership as memberRow } from '../store/memberships.ts'
import { outOfBand } from '../store/out-of-band.ts'
import { serverIsIn } from '../store/room-servers.ts'
import { knowRoomOutside } from '../store/room-takeover.ts'
import { roomById } from '../store/rooms.ts'
import { changeMembership, type MembershipWish, memberProfile } from './change-membership.ts'
import { asMatrixError, builtFrom, membershipTemplate } from './join-remote-room.ts'
import { write } from './write.ts'

/** Servers asked until one takes the knock. */
const SERVERS_MAX = 10

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
  if (row !== undefined && (await serverIsIn(app.db, row.room, app.serverName)))
    return changeMembership(app, { ...wish, membership: 'knock' })
  const likely = [...new Set([...servers, serverNameOf(wish.roomId)])]
  let failure = new MatrixError('M_NOT_FOUND', 'No server is known that could be in this room.')
  for (const server of likely.filter((name) => name !== '' && name !== app.serverName).slice(0, SERVERS_MAX)) {
    try {
      return await knockBy(app, wish, server)
    } catch (error) {
      failure = asMatrixError(server, error)
    }
  }
  throw failure
}

async function knockBy(app: App, wish: Omit<MembershipWish, 'membership'>, server: ServerName): Promise<EventId> {
  const at = { roomId: wish.roomId as RoomId, userId: wish.target }
  const template = await membershipTemplate(app, server, 'knock', at.roomId, at.userId)
  const reason = wish.reason === undefined ? {} : { reason: wish.reason }
  const profile = await memberProfile(app, wish.target)
  const event = builtFrom(app, template, at, { ...profile, membership: 'knock', ...reason })
  const uri = federationPath`/v1/send_knock/${at.roomId}/${event.eventId}`
  const answer = await askServer(app, server, { method: 'PUT', uri, content: event.pdu })
  const known = await roomById(app.db, at.roomId)
  const room = known?.room ?? (await app.db.nextId('room'))
  const row = { room, userId: wish.target, membership: 'knock', event: null, sender: wish.target }
  const strippedState = canonicalJson(pruneStrippedState(own(answer, 'knock_room_state')))
  const names = { displayname: null, avatarUrl: null }
  await write(app, {
    guards: [],
    writes: [
      ...(known === undefined ? [knowRoomOutside(room, at.roomId, template.version.id)] : []),
      ...memberRow({ ...row, ...names, strippedState, position: logPosition(0) }),
      outOfBand(room, wish.target),
    ],
    log: [{ kind: 'membership', room, user: wish.target, subject: event.eventId }],
  })
  return event.eventId
}
