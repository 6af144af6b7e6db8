import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { parseEvent } from '../../core/event.ts'
import { type ServerName, serverNameOf } from '../../core/ids.ts'
import { isObject, type JsonObject, type JsonValue, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { RoomVersion } from '../../core/room-version.ts'
import { signPdu } from '../../core/sign.ts'
import { append } from '../append.ts'
import { placeArrival } from '../federation/receive-pdus.ts'
import { verifyPdu } from '../federation/verify-pdu.ts'
import { vouchUnlessWelcome } from './vouch-for-join.ts'

/** What the request says of the event beside the event itself. */
export interface MembershipClaim {
  readonly room: number
  readonly roomId: string
  readonly version: RoomVersion
  readonly eventId: string
  readonly origin: ServerName
  readonly membership: 'join' | 'leave' | 'knock'
}

/**
 * Takes in the member event that a server built from our template, and resolves with it, signed by us too where we
 * vouch for a restricted join. Errors: M_INVALID_PARAM or M_BAD_JSON for an event that is not what was asked for,
 * M_FORBIDDEN when the room's rules refuse it; those of `vouchForJoin`.
 */
export async function acceptMembership(app: App, claim: MembershipClaim, pdu: JsonValue | undefined): Promise<Event> {
  if (!isObject(pdu)) throw new MatrixError('M_BAD_JSON', 'The body is not an event.')
  // The template as it was, with nothing added, is an event that nobody signed.
  if (!isObject(own(pdu, 'hashes')) || !isObject(own(pdu, 'signatures')))
    throw new MatrixError('M_FORBIDDEN', 'The event bears no hashes or no signatures.')
  const asked = parseEvent(claim.version, pdu)
  const fault = claimFault(claim, asked)
  if (fault !== undefined) throw new MatrixError('M_INVALID_PARAM', fault)
  if (serverNameOf(asked.sender) !== claim.origin)
    throw new MatrixError('M_FORBIDDEN', `The sender is not of ${claim.origin}.`)
  const event = await verifyPdu(app, claim.version, await vouchedFor(app, asked))
  const source = { room: claim.room, roomId: event.roomId, version: claim.version, server: claim.origin }
  const merged = await placeArrival(app, source, event, true)
  if (merged.outcome === 'rejected' || merged.outcome === 'soft_failed')
    throw new MatrixError('M_FORBIDDEN', `Not allowed in this room: ${merged.reason ?? 'refused'}`)
  return event
}

/** Why it is not the event that the path speaks of, by the user of the server that sends it. */
function claimFault(claim: MembershipClaim, event: Event): string | undefined {
  if (event.type !== 'm.room.member') return 'The event is not a membership.'
  if (own(event.content, 'membership') !== claim.membership) return `The membership is not ${claim.membership}.`
  if (event.stateKey !== event.sender) return 'The membership is of somebody else than the sender.'
  if (event.roomId !== claim.roomId) return 'The event is of another room.'
  return event.eventId === claim.eventId ? undefined : 'The event has another id than the path says.'
}

/**
 * The event, with our signature when a user of ours vouches for a restricted join. Whether we would vouch is asked
 * again: an event that names one of us need not come from a template of ours. The rules are checked after.
 */
async function vouchedFor(app: App, event: Event): Promise<JsonObject> {
  const voucher = event.version.restricted ? own(event.content, 'join_authorised_via_users_server') : undefined
  const ours = typeof voucher === 'string' && serverNameOf(voucher) === app.serverName
  if (!ours) return event.pdu
  await append(app, event.roomId, async (writer) => {
    await vouchUnlessWelcome(app, writer, event.sender)
  })
  return signPdu(event.version, event.pdu, app.serverName, app.key)
}
