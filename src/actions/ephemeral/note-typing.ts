import type { App } from '../../app.ts'
import { typingText } from '../../live/typing.ts'

/** Shows a user as typing for so long, here and at the other processes on the database; 0 stops. */
export function noteTyping(app: App, room: number, userId: string, timeoutMs: number): void {
  app.live.typing.set(room, userId, timeoutMs)
  app.db
    .tell(typingText(app.live.boot, room, userId, timeoutMs))
    .catch((error: unknown) => app.log.warn({ err: error }, 'other processes were not told who types'))
}
