import { Type } from '@sinclair/typebox'
import {
  noticeAbsence,
  noticeHiding,
  noticePresence,
  type Presence,
  presenceIsOn,
} from '../actions/ephemeral/set-presence.ts'
import type { App } from '../app.ts'

/** What a client that syncs says of its user. */
export const SetPresence = Type.Optional(
  Type.Union([Type.Literal('offline'), Type.Literal('online'), Type.Literal('unavailable')]),
)

/** Who syncs is there, unless the client says otherwise; who does not sync any more goes offline after a while. */
export async function whilePresent<T>(
  app: App,
  userId: string,
  presence: Presence,
  poll: () => Promise<T>,
): Promise<T> {
  if (!presenceIsOn(app)) return poll()
  if (presence === 'offline') {
    await noticeHiding(app, userId)
    return poll()
  }
  app.live.presence.began(userId)
  try {
    await noticePresence(app, userId, presence)
    return await poll()
  } finally {
    app.live.presence.ended(userId, () => {
      noticeAbsence(app, userId).catch((error) => app.log.warn({ err: error }, 'presence was not stored'))
    })
  }
}
