import type { App } from '../../app.ts'
import { expiringEvents, nextExpiry } from '../../store/expiry.ts'
import { expireContents } from '../../store/redactions.ts'
import { write } from '../write.ts'
import { remainsOf } from './leave-remains.ts'

/** Events of one batch, so that others do not wait long for it. */
const EVENTS_AT_ONCE = 25

/**
 * Takes the content of the events whose time has come, as a redaction would, and keeps no original: one batch, which
 * may be written twice. Resolves with when there is more to do, in milliseconds since 1970; undefined: nothing is left.
 */
export async function expireEvents(app: App, atOnce = EVENTS_AT_ONCE): Promise<number | undefined> {
  const rows = await expiringEvents(app.db, app.clock.now(), atOnce)
  if (rows.length > 0) {
    const writes = expireContents(await remainsOf(app, rows))
    await write(app, { guards: [], writes, log: [] })
  }
  return nextExpiry(app.db)
}
