import type { App } from '../app.ts'
import { roomVersion } from '../core/room-version.ts'
import type { Sql } from '../db/sql.ts'
import { deleteExpiry, type ExpiringRow, expiringEvents, nextExpiry } from '../store/expiry.ts'
import { expireContent, type Left } from '../store/redactions.ts'
import { leftOf } from './redact-event.ts'
import { write } from './write.ts'

/** Events of one batch, so that others do not wait long for it. */
const EVENTS_AT_ONCE = 50
/** After so much work without a pause others have their turn. */
const SLICE_MS = 4

/**
 * Takes the content of the events whose time has come, as a redaction would, and keeps no original: one batch, which
 * may be written twice. Resolves with when there is more to do, in milliseconds since 1970; undefined: nothing is left.
 */
export async function expireEvents(app: App, atOnce = EVENTS_AT_ONCE): Promise<number | undefined> {
  const rows = await expiringEvents(app.db, app.clock.now(), atOnce)
  const writes: Sql[] = []
  for await (const { event, left } of redacted(app, rows))
    writes.push(...expireContent(event, left), deleteExpiry(event))
  if (writes.length > 0) await write(app, { guards: [], writes, log: [] })
  return nextExpiry(app.db)
}

/** What redaction leaves of each event: other requests have their turn meanwhile. */
async function* redacted(
  app: App,
  rows: readonly ExpiringRow[],
): AsyncGenerator<{ readonly event: number; readonly left: Left }> {
  let startedMs = app.clock.monotonic()
  for (const row of rows) {
    const version = roomVersion(row.version ?? '')
    yield { event: row.event, left: version === undefined ? { ...row, content: '{}' } : leftOf(version, row) }
    if (app.clock.monotonic() - startedMs < SLICE_MS) continue
    await app.timers.sleep(0)
    startedMs = app.clock.monotonic()
  }
}
