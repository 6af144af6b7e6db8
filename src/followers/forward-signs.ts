import type { App } from '../app.ts'
import { signText } from '../live/appservice-signs.ts'

/** What an application service sends us is reported to the sender this often. */
const REPORT_MS = 5_000

/**
 * While another process sends transactions to application services, it is told of those that are alive: by a notice,
 * which may be lost, as the pause ends anyway. Returns the way to stop.
 */
export function forwardSigns(app: App, sendsHere: () => boolean): () => void {
  const reported = new Map<string, number>()
  return app.live.appserviceSigns.onSign((id, sign) => {
    if (sendsHere()) return
    if (sign === 'heard') {
      const now = app.clock.monotonic()
      if (now - (reported.get(id) ?? -REPORT_MS) < REPORT_MS) return
      reported.set(id, now)
    }
    app.db
      .tell(signText(id, sign))
      .catch((error: unknown) => app.log.warn({ appservice: id, err: error }, 'the sender was not told'))
  })
}
