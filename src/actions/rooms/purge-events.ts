import type { App } from '../../app.ts'
import { endsOfRooms, lifetimesOf } from '../../store/lifetimes.ts'
import {
  doneUntil,
  dueRoom,
  enlistRooms,
  eventsOlderThan,
  goOnAfter,
  lookAtAllAgain,
  nextTimes,
  type OldRow,
  purgeEvents,
  type RetentionRow,
  roomIsAsLookedAt,
} from '../../store/purge.ts'
import { write } from '../write.ts'
import { remainsOf } from './leave-remains.ts'

/** Events looked at for one batch, so that others do not wait long for it. */
export const PURGED_AT_ONCE = 25
const ROOMS_AT_ONCE = 500
/** An old end of a room is looked at again after so long: it stays until something follows it. */
const END_AGAIN_MS = 24 * 3_600_000
/** Of a room that keeps its messages for ever. */
const NEVER = Number.MAX_SAFE_INTEGER

/**
 * One step of taking the messages that rooms keep no longer (MSC1763): those of one room, up to a batch of them. What
 * was done is known by the database in the same batch. Resolves with whether there may be more to do now.
 */
export async function purgeOldEvents(app: App, atOnce = PURGED_AT_ONCE): Promise<boolean> {
  const row = await dueRoom(app.db, app.clock.now())
  if (row === undefined) return false
  const lifetime = (await lifetimesOf(app.db, app.config.room_server.retention, [row.room])).get(row.room)
  const guards = [roomIsAsLookedAt(row)]
  if (lifetime === undefined) {
    await write(app, { guards, writes: [doneUntil(row, -1, NEVER)], log: [] })
    return true
  }
  const before = app.clock.now() - lifetime
  const rows = await eventsOlderThan(app.db, row, before, atOnce)
  const last = rows.length < atOnce ? undefined : rows.at(-1)
  const place =
    last === undefined ? await done(app, row, before, lifetime) : goOnAfter(row, last.origin_server_ts, last.event)
  await write(app, { guards, writes: [...(await purged(app, rows)), place], log: [] })
  return true
}

/** What takes those of the events that may go. */
export async function purged(app: App, rows: readonly OldRow[]) {
  return purgeEvents(
    await remainsOf(
      app,
      rows.filter(({ wanted }) => wanted === 1),
    ),
  )
}

async function done(app: App, row: RetentionRow, before: number, lifetime: number) {
  const { next, head } = await nextTimes(app.db, row.room, before)
  const nowMs = app.clock.now()
  const due = (next ?? nowMs) + lifetime
  if (head === null || head >= before) return doneUntil(row, before, due)
  return doneUntil(row, head, Math.min(due, nowMs + END_AGAIN_MS))
}

/** Rooms have been left to themselves, or the rules of the server have changed: all are looked at. */
export async function purgeAfresh(app: App): Promise<void> {
  await write(app, { guards: [], writes: [lookAtAllAgain], log: [] })
}

/** Where the server has a policy for rooms that have none, these are looked at too: as many as one batch may take. */
export async function enlistForPurge(app: App): Promise<void> {
  if (app.config.room_server.retention.default_policy.max_lifetime === 0) return
  await write(app, { guards: [], writes: [enlistRooms(ROOMS_AT_ONCE)], log: [] })
}

/** Whether a room keeps what was said at a time: history that would be gone at once is not fetched. */
export async function isKept(app: App, room: number, event: number, ts: number): Promise<boolean> {
  const lifetime = (await lifetimesOf(app.db, app.config.room_server.retention, [room])).get(room)
  if (lifetime === undefined || ts >= app.clock.now() - lifetime) return true
  return (await endsOfRooms(app.db, [room])).has(event)
}
