import type { App } from '../../app.ts'
import { tellRoom } from '../federation/tell-servers.ts'
import { noteTyping } from './note-typing.ts'

export interface TypingWish {
  readonly room: number
  readonly roomId: string
  readonly userId: string
  /** How long the user types from now on; 0 stops. */
  readonly timeoutMs: number
}

/** Shows a local user as typing, here and on the other servers in the room. */
export async function setTyping(app: App, { room, roomId, userId, timeoutMs }: TypingWish): Promise<void> {
  noteTyping(app, room, userId, timeoutMs)
  const content = { room_id: roomId, typing: timeoutMs > 0, user_id: userId }
  await tellRoom(app, room, { key: `typing ${room} ${userId}`, type: 'm.typing', content })
}
