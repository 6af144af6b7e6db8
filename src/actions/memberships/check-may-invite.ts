import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { append } from '../append.ts'

/** Whether the user may invite somebody by an address, as the room stands. Errors: M_FORBIDDEN, M_NOT_FOUND. */
export async function checkMayInvite(app: App, roomId: string, sender: UserId): Promise<void> {
  await append(app, roomId, async (writer) => {
    await writer.preview({ type: 'm.room.third_party_invite', stateKey: '', sender, content: {} })
  })
}
