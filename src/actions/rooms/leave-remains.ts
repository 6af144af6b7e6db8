import type { App } from '../../app.ts'
import { roomVersion } from '../../core/room-version.ts'
import { withPauses } from '../../live/with-pauses.ts'
import type { Left, Remains } from '../../store/redactions.ts'
import { leftOf } from './redact-event.ts'

/** After so much work without a pause others have their turn. */
const SLICE_MS = 4

/** What redaction leaves of each event. Other requests have their turn meanwhile. */
export async function remainsOf(
  app: App,
  rows: readonly (Left & { readonly event: number; readonly version: string | null })[],
): Promise<Remains[]> {
  const remains: Remains[] = []
  for await (const { event, version, content, envelope } of withPauses(app, rows, SLICE_MS)) {
    const known = roomVersion(version ?? '')
    remains.push({
      event,
      left: known === undefined ? { content: '{}', envelope } : leftOf(known, { content, envelope }),
    })
  }
  return remains
}
