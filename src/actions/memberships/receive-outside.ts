import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { type ServerName, serverNameOf } from '../../core/ids.ts'
import type { JsonValue } from '../../core/json.ts'
import { roomVersion } from '../../core/room-version.ts'
import { serversShown } from '../../core/stripped-state.ts'
import { type MembershipRow, membershipOf } from '../../store/memberships.ts'
import { roomById } from '../../store/rooms.ts'
import { verifyPdu } from '../federation/verify-pdu.ts'
import { textOf } from '../rooms/state-consequences.ts'
import { setMembershipOutside } from './set-membership-outside.ts'

/**
 * Takes in the end of an invite or a knock of one of our users, in a room that this server is not in: the server that
 * invited takes the invite back, or that of the room refuses the knock. Resolves with whether the PDU is such an event.
 * Errors: MatrixError for one that does not verify.
 */
export async function receiveOutside(
  app: App,
  origin: ServerName,
  roomId: string,
  pdu: JsonValue | undefined,
): Promise<Event | undefined> {
  const room = await roomById(app.db, roomId)
  const version = roomVersion(room?.version ?? '')
  if (room === undefined || version === undefined || pdu === undefined) return undefined
  const event = await verifyPdu(app, version, pdu)
  const target = event.stateKey ?? ''
  if (event.type !== 'm.room.member' || serverNameOf(target) !== app.serverName) return undefined
  const member = await membershipOf(app.db, room.room, target)
  if (member === undefined || !mayEnd(origin, event, member)) return undefined
  await setMembershipOutside(app, event)
  return event
}

function mayEnd(origin: ServerName, event: Event, member: MembershipRow): boolean {
  const membership = textOf(event.content, 'membership')
  if (membership !== 'leave' && membership !== 'ban') return false
  if (serverNameOf(event.sender) !== origin) return false
  if (member.membership === 'invite') return serverNameOf(member.sender) === origin
  if (member.membership !== 'knock') return false
  return serverNameOf(event.roomId) === origin || serversShown(member.stripped_state).includes(origin)
}
