import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import type { JsonObject } from '../../core/json.ts'
import { insertUiaSession, uiaSession } from '../../store/uia.ts'
import { type Proofs, SESSION_LIFETIME_MS, type UiaRequest, uiaKey, uiaRow } from '../sessions/begin-uia.ts'
import { openBody, sealBody } from '../sessions/seal-body.ts'
import { write } from '../write.ts'

export interface RememberedRegistration {
  /** As it was sent first, without `auth`. */
  readonly body: JsonObject
  /** The account that came of it. */
  readonly userId: UserId | undefined
}

/** What a session remembers; undefined for a session that is unknown, old, or of something else. */
export async function recallRegistration(
  app: App,
  id: string,
  endpoint: string,
): Promise<RememberedRegistration | undefined> {
  const row = await uiaSession(app.db, uiaKey(id), app.clock.now())
  if (row === undefined || row.user_id !== null || row.endpoint !== endpoint) return undefined
  const completed = JSON.parse(row.completed) as UserId | Proofs
  return { body: openBody(id, row.params), userId: typeof completed === 'string' ? completed : undefined }
}

/** The session is used up, and knows what for: whoever lost the answer may ask again. */
export async function rememberAccount(app: App, id: string, request: UiaRequest, userId: UserId): Promise<void> {
  const nowMs = app.clock.now()
  const params = sealBody(app, id, request.body)
  const row = {
    ...uiaRow(id, request),
    params,
    completed: JSON.stringify(userId),
    expiresMs: nowMs + SESSION_LIFETIME_MS,
  }
  await write(app, { guards: [], writes: insertUiaSession(row, nowMs), log: [] })
}
