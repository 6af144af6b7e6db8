import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import type { ServerName } from '../core/ids.ts'
import { canonicalJson } from '../core/json.ts'
import { OUTBOUND_EDU, queueEdu, retryAt, SERVER_ALIVE } from '../store/federation-outbox.ts'

/** EDUs of one server handed over at once. */
const EDUS_MAX = 100
/** A server that is left alone and speaks to us is reported to the sender this often. */
const REPORT_MS = 5_000
const SERVERS_MAX = 10_000

/**
 * While another process sends to other servers, what only this one knows reaches it by way of the database: who types,
 * and which servers are alive. Returns the way to stop.
 */
export function forwardToSender(app: App, sendsHere: () => boolean): () => void {
  const reported = new Map<ServerName, number>()

  async function handOver(server: ServerName): Promise<void> {
    const edus = app.live.destinations.waiting(server, EDUS_MAX)
    app.live.destinations.sent(server, edus)
    for (const [, edu] of edus) {
      const queued = queueEdu(await app.db.nextId('edu'), server, canonicalJson(edu))
      await write(app, { guards: [], writes: [queued], log: [{ kind: OUTBOUND_EDU, subject: server }] })
    }
  }

  async function report(server: ServerName): Promise<void> {
    if (((await retryAt(app.db, server)) ?? 0) <= app.clock.now()) return
    const now = app.clock.monotonic()
    if (now - (reported.get(server) ?? -REPORT_MS) < REPORT_MS) return
    if (reported.size >= SERVERS_MAX) reported.clear()
    reported.set(server, now)
    await write(app, { guards: [], writes: [], log: [{ kind: SERVER_ALIVE, subject: server }] })
  }

  return app.live.destinations.onWake((server, alive) => {
    if (sendsHere()) return
    void (alive ? report(server) : handOver(server)).catch((error: unknown) =>
      app.log.warn({ server, err: error }, 'the sender was not told'),
    )
  })
}
