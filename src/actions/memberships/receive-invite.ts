import type { App } from '../../app.ts'
import { parseEvent } from '../../core/event.ts'
import { type ServerName, serverNameOf, type UserId } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError, roomBlocked } from '../../core/matrix-error.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { signPdu } from '../../core/sign.ts'
import { strippedEvent } from '../../core/stripped-state.ts'
import { localUser } from '../../remote/appservice-queries.ts'
import { serverIsIn } from '../../store/room-servers.ts'
import { roomById } from '../../store/rooms.ts'
import { serverAclOf } from '../../store/server-acl.ts'
import { verifyPdu } from '../federation/verify-pdu.ts'
import { checkInvitePermission } from './change-membership.ts'
import { setMembershipOutside } from './set-membership-outside.ts'
import { readShownState } from './shown-state.ts'

export interface ReceivedInvite {
  readonly origin: ServerName
  readonly roomId: string
  readonly eventId: string
  readonly version: RoomVersion
  readonly pdu: JsonValue | undefined
  /** `invite_room_state` as it came. */
  readonly roomState: JsonValue | undefined
}

/**
 * Takes an invite for a local user from another server (Server-Server API, "Inviting to a room") and resolves with the
 * event signed by us. Nothing but an invite of one of our users by one of theirs is ever signed. Errors: M_BAD_JSON,
 * M_INVALID_PARAM, M_FORBIDDEN, M_NOT_FOUND, M_INVITE_BLOCKED.
 */
export async function receiveInvite(app: App, invite: ReceivedInvite): Promise<JsonObject> {
  if (!isObject(invite.pdu)) throw new MatrixError('M_BAD_JSON', 'The event is missing.')
  const { unsigned: _, ...pdu } = invite.pdu
  const fault = inviteFault(app, invite, parseEvent(invite.version, pdu))
  if (fault !== undefined) throw new MatrixError('M_INVALID_PARAM', fault)
  const known = await roomById(app.db, invite.roomId)
  const inRoom = known !== undefined && (await serverIsIn(app.db, known.room, app.serverName))
  if (inRoom && !(await serverAclOf(app.db, known.room))(invite.origin))
    throw new MatrixError('M_FORBIDDEN', `The room is closed to ${invite.origin}.`)
  const event = await verifyPdu(app, invite.version, pdu)
  const target = event.stateKey ?? ''
  const user = await localUser(app, target)
  // In a room of ours the invite of nobody leaves no trace here, and who there is stays untold.
  if (user === undefined ? !inRoom : user.deactivated === 1)
    throw new MatrixError('M_NOT_FOUND', 'There is no such user.')
  await checkInvitePermission(app, target as UserId)
  if (known?.blocked === 1) throw roomBlocked()
  // In a room of ours the invite comes as any other event does.
  if (!inRoom) {
    const room = { version: invite.version, roomId: event.roomId }
    const shown = await readShownState(app, room, invite.roomState, (fault) => {
      throw new MatrixError('M_INVALID_PARAM', `invite_room_state: ${fault}`)
    })
    const itself = strippedEvent({ type: event.type, stateKey: target, sender: event.sender, content: event.content })
    await setMembershipOutside(app, event, [...shown, itself])
  }
  return signPdu(invite.version, event.pdu, app.serverName, app.key)
}

/** What keeps the event from being an invite of our user by a user of that server, as the path says. */
function inviteFault(app: App, invite: ReceivedInvite, event: ReturnType<typeof parseEvent>): string | undefined {
  if (event.type !== 'm.room.member') return 'The event is not a membership.'
  if (own(event.content, 'membership') !== 'invite') return 'The membership is not an invite.'
  if (serverNameOf(event.stateKey ?? '') !== app.serverName) return 'The invited user is not of this server.'
  if (serverNameOf(event.sender) !== invite.origin) return `The sender is not of ${invite.origin}.`
  if (event.roomId !== invite.roomId) return 'The event is of another room.'
  return event.eventId === invite.eventId ? undefined : 'The event has another id than the path says.'
}
