import type { App } from '../../app.ts'
import type { Event } from '../../core/event.ts'
import type { UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { append } from '../append.ts'
import { vouchUnlessWelcome } from './vouch-for-join.ts'

/**
 * A template for the member event of another server's user (Server-Server API, "Joining Rooms", "Knocking upon a room",
 * "Leaving Rooms"): without hashes and signatures. Errors: M_FORBIDDEN when the room's rules refuse it,
 * and those of `vouchForJoin`.
 */
export async function makeMembership(
  app: App,
  roomId: string,
  userId: UserId,
  membership: 'join' | 'leave' | 'knock',
): Promise<JsonObject> {
  let event: Event | undefined
  await append(app, roomId, async (writer) => {
    const voucher = membership === 'join' ? await vouchUnlessWelcome(app, writer, userId) : undefined
    const vouched = voucher === undefined ? {} : { join_authorised_via_users_server: voucher }
    const content = { membership, ...vouched }
    event = await writer.preview({ type: 'm.room.member', stateKey: userId, sender: userId, content })
  })
  const { hashes: _hashes, signatures: _signatures, event_id: _id, ...template } = event!.pdu
  return { ...template, origin: app.serverName }
}
