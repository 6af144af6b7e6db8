import type { App } from '../app.ts'
import { type EventId, isEventId } from '../core/ids.ts'
import type { JsonObject } from '../core/json.ts'
import { userSuspended } from '../core/matrix-error.ts'
import { redactableEvent } from '../store/redactions.ts'
import type { Requester } from './endpoint.ts'

/** Who is suspended may still take back what they said (Client-Server API, "Account suspension"). */
export async function checkMayRedact(app: App, user: Requester, eventId: EventId): Promise<void> {
  if (!user.suspended) return
  const target = await redactableEvent(app.db, eventId)
  if (target?.sender !== user.userId) throw userSuspended()
}

/** An event sent by its type may be such a redaction. Errors: M_USER_SUSPENDED. */
export async function checkMaySend(app: App, user: Requester, type: string, content: JsonObject): Promise<void> {
  if (!user.suspended) return
  const { redacts } = content
  if (type !== 'm.room.redaction' || typeof redacts !== 'string' || !isEventId(redacts)) throw userSuspended()
  await checkMayRedact(app, user, redacts)
}
