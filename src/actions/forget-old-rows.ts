import type { App } from '../app.ts'
import { breathe } from '../live/time.ts'
import {
  endOfSlice,
  hasAny,
  type OldRows,
  oldRows,
  oldRowsAmong,
  oldRowsOfSlice,
  type Walk,
} from '../store/retention.ts'
import { crowdedDevices, deleteOldestToDevice } from '../store/to-device.ts'
import { write } from './write.ts'

/** A client that sends the same again does it within seconds; a day is promised. */
const CLIENT_TRANSACTIONS_KEPT_MS = 7 * 24 * 3_600_000
/** Other servers repeat a transaction until they are answered, and may have been away. */
const SERVER_TRANSACTIONS_KEPT_MS = 30 * 24 * 3_600_000
/** Who logs in does so right after it registered; it registers again each time. */
const OAUTH_CLIENTS_KEPT_MS = 24 * 3_600_000
const STRANGERS_PRESENCE_KEPT_MS = 24 * 3_600_000
/** Rows deleted by one batch, and rows looked at before others have their turn. */
const ROWS_AT_ONCE = 500

/** Messages that wait for one device: one that nobody uses any more would gather them for ever. */
const MESSAGES_KEPT = 10_000

/**
 * Forgets what is kept for a while only: transaction ids, originals of redacted events, sessions that expired,
 * clients of OAuth 2.0 that have none, the presence of strangers, and the oldest messages to devices that do not fetch
 * them.
 */
export async function forgetOldRows(app: App, messagesKept = MESSAGES_KEPT, rowsAtOnce = ROWS_AT_ONCE): Promise<void> {
  const nowMs = app.clock.now()
  const ages = {
    nowMs,
    clientTransactionsMs: nowMs - CLIENT_TRANSACTIONS_KEPT_MS,
    serverTransactionsMs: nowMs - SERVER_TRANSACTIONS_KEPT_MS,
    redactedMs: nowMs - app.config.global.database.redacted_max_age,
    oauthClientsMs: nowMs - OAUTH_CLIENTS_KEPT_MS,
    presenceMs: nowMs - STRANGERS_PRESENCE_KEPT_MS,
  }
  for (const kind of oldRows(ages, rowsAtOnce)) while (await forgetSome(app, kind)) await breathe()
  for (const walk of oldRowsAmong(ages)) await forgetAmong(app, walk, rowsAtOnce)
  for (const { user_id: userId, device_id: deviceId } of await crowdedDevices(app.db, messagesKept)) {
    const writes = [deleteOldestToDevice({ userId, deviceId }, messagesKept)]
    await write(app, { guards: [], writes, log: [] })
  }
}

async function forgetAmong(app: App, walk: Walk, rowsAtOnce: number): Promise<void> {
  for (let after = walk.start; ; ) {
    const last = await endOfSlice(app.db, walk, after, rowsAtOnce)
    if (last === null) return
    await forgetSome(app, oldRowsOfSlice(walk, after, last))
    after = last
    await breathe()
  }
}

/** Looks before it writes: most of the time there is nothing, and a commit is a write of the disk. */
async function forgetSome(app: App, rows: OldRows): Promise<boolean> {
  if (!(await hasAny(app.db, rows))) return false
  await write(app, { guards: [], writes: [rows.forget], log: [] })
  return true
}
