import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import { type EventId, type ServerName, serverNameOf, type UserId } from '../../core/ids.ts'
import { type JsonObject, own } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { roomVersion } from '../../core/room-version.ts'
import { strippedStateKeys } from '../../core/stripped-state.ts'
import { askServer, asMatrixError, federationPath, isUnknownEndpoint, Refused } from '../../remote/ask-server.ts'
import { pduOf, pdusByNumber } from '../../store/pdus.ts'
import { roomById } from '../../store/rooms.ts'
import { append } from '../append.ts'
import { placeArrival } from '../federation/receive-pdus.ts'
import { verifyPdu } from '../federation/verify-pdu.ts'
import type { RoomWriter } from '../rooms/room-writer.ts'

export interface RemoteInvite {
  readonly roomId: string
  readonly sender: UserId
  readonly target: UserId
  readonly content: JsonObject
}

/**
 * Invites a user of another server (Server-Server API, "Inviting to a room"): the invite goes into the room once
 * that server has signed it. Errors: M_FORBIDDEN by the room's rules or by the other server, M_UNKNOWN (502) when it
 * is away.
 */
export async function inviteRemoteUser(app: App, invite: RemoteInvite): Promise<EventId> {
  const server = serverNameOf(invite.target)
  const row = await roomById(app.db, invite.roomId)
  const version = roomVersion(row?.version ?? '')
  if (row === undefined || version === undefined)
    throw new MatrixError('M_NOT_FOUND', 'The room is not known to this server.')
  let event: Event | undefined
  let shown: number[] = []
  const wanted = { type: 'm.room.member', stateKey: invite.target, sender: invite.sender, content: invite.content }
  const compose = async (writer: RoomWriter) => {
    event = await writer.preview(wanted)
    shown = []
    for (const [type, stateKey] of strippedStateKeys([invite.sender])) {
      const found = await writer.state(type, stateKey)
      if (found !== undefined) shown.push(found.event)
    }
  }
  await append(app, invite.roomId, compose, { settled: true })
  const roomState = (await pdusByNumber(app.db, shown)).map(pduOf)
  const answer = await ask(app, server, event!, roomState).catch((error: unknown) => {
    throw refusal(server, error)
  })
  const signed = await verifyPdu(app, version, own(answer, 'event') ?? null)
  if (signed.eventId !== event!.eventId) throw new MatrixError('M_UNKNOWN', `${server} answers with another event.`)
  const source = { room: row.room, roomId: row.room_id, version, server }
  const merged = await placeArrival(app, source, signed)
  if (merged.outcome === 'rejected' || merged.outcome === 'soft_failed')
    throw new MatrixError('M_FORBIDDEN', `Not allowed in this room: ${merged.reason ?? 'refused'}`)
  return signed.eventId
}

/** What the other server finds wrong with the request is no fault of the client's. */
function refusal(server: ServerName, error: unknown): MatrixError {
  const ours = error instanceof Refused && ['M_MISSING_PARAM', 'M_INVALID_PARAM'].includes(error.errcode)
  return ours ? new MatrixError('M_UNKNOWN', `${server}: ${error.message}`, {}, 502) : asMatrixError(server, error)
}

/** Servers that know only the first form know only the first two room versions. */
async function ask(app: App, server: ServerName, event: Event, shown: readonly JsonObject[]): Promise<JsonObject> {
  const content = { event: event.pdu, invite_room_state: shown, room_version: event.version.id }
  const uri = federationPath`/v2/invite/${event.roomId}/${event.eventId}`
  try {
    return await askServer(app, server, { method: 'PUT', uri, content })
  } catch (error) {
    if (!isUnknownEndpoint(error) || event.version.eventIdFormat !== 'server') throw error
    const older = { ...event.pdu, unsigned: { invite_room_state: shown } }
    const path = federationPath`/v1/invite/${event.roomId}/${event.eventId}`
    return askServer(app, server, { method: 'PUT', uri: path, content: older, wrapped: true })
  }
}
