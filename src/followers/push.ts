import type { App } from '../app.ts'
import type { UserId } from '../core/ids.ts'
import { PUSHER, type PusherRow, pushedIn, pushersAtWork, pushersAtWorkOf } from '../store/pushers.ts'
import type { Follower } from './follower.ts'
import type { Lease } from './lease.ts'
import { allIdle } from './pace.ts'
import { mailPushers } from './push-by-mail.ts'
import { gatewayPushers } from './push-to-gateway.ts'
import type { Pusher, PushWorld } from './pusher.ts'

/** Rows of the log read at once. */
const LOG_ROWS = 1_000
/** What comes at the same time is looked at together. */
const DELAY_MS = 50
/** Kinds of log rows after which the pushers of a user may be others: an account that is locked has none at work. */
const RELOADS = new Set([PUSHER, 'session', 'user'])
/** So long whoever is being told something may still answer when the server stops: else they hear it twice. */
const GRACE_MS = 3_000

interface State extends PushWorld {
  /** Undefined: pushers of this kind tell nothing. */
  readonly makers: ReadonlyMap<string, ((row: PusherRow) => Pusher) | undefined>
  readonly byUser: Map<UserId, readonly Pusher[]>
  /** The log was read up to here. */
  seen: number
}

/**
 * Tells of what notifies the users of pushers (Client-Server API, "Push notifications"). Each pusher is a cursor on the
 * log with a pace of its own, so that whoever is slow or away holds up nobody else; this wakes those concerned.
 */
export async function startPush(app: App, lease: Lease): Promise<Follower> {
  const world: PushWorld = { lease, stopped: false, hangUp: new AbortController() }
  const makers = new Map([
    ['http', gatewayPushers(app, world)],
    ['email', mailPushers(app, world)],
  ])
  const state: State = Object.assign(world, { makers, byUser: new Map(), seen: app.db.safePosition() })
  for (const row of await pushersAtWork(app.db)) add(state, row)
  const all = () => [...state.byUser.values()].flat()
  const paces = () => all().map(({ pace }) => pace)
  for (const pusher of all()) pusher.wake()
  let reading: Promise<void> | undefined
  let cancel: (() => void) | undefined
  const read = () => {
    cancel = undefined
    reading = readLog(app, state)
      .catch((error: unknown) => app.log.error({ err: error }, 'the log cannot be read for push notifications'))
      .finally(() => {
        reading = undefined
        if (state.seen < app.db.safePosition()) later()
      })
    return reading
  }
  const later = () => {
    if (reading === undefined && !state.stopped) cancel ??= app.timers.after(DELAY_MS, () => void read())
  }
  const stopListening = app.db.onGrown(later)
  later()
  const idle = async () => {
    do {
      await reading
      if (state.seen < app.db.safePosition() && !state.stopped) {
        cancel?.()
        await read()
      }
      await allIdle(paces)
    } while (state.seen < app.db.safePosition() && !state.stopped)
  }
  return {
    idle,
    async stop() {
      stopListening()
      cancel?.()
      state.stopped = true
      for (const pusher of all()) pusher.leave()
      const cancelHangUp = app.timers.after(GRACE_MS, () => state.hangUp.abort())
      await idle()
      cancelHangUp()
    },
  }
}

function add(state: State, row: PusherRow): Pusher | undefined {
  const pusher = state.makers.get(row.kind)?.(row)
  if (pusher !== undefined) state.byUser.set(row.user_id, [...(state.byUser.get(row.user_id) ?? []), pusher])
  return pusher
}

/** Wakes the pushers of whoever is concerned by what the log tells. */
async function readLog(app: App, state: State): Promise<void> {
  for (let to = app.db.safePosition(); state.seen < to && !state.stopped; to = app.db.safePosition()) {
    const rows = await app.live.logTail.rows(state.seen, to, LOG_ROWS)
    const changed = rows.filter(({ kind }) => RELOADS.has(kind)).map((row) => row.user_id as UserId)
    for (const userId of new Set(changed)) await reload(app, state, userId)
    const rooms = rows.flatMap((row) => (row.kind === 'event' ? (row.room ?? []) : []))
    const users = new Set(state.byUser.size === 0 ? [] : await pushedIn(app.db, [...new Set(rooms)]))
    for (const { kind, subject, user_id } of rows) {
      if (kind === 'receipt') users.add(subject as UserId)
      if (kind === 'membership') users.add(user_id as UserId)
    }
    state.seen = rows.length === LOG_ROWS ? rows.at(-1)!.position : to
    for (const user of users) for (const pusher of state.byUser.get(user) ?? []) pusher.wake()
  }
}

/** Pushers that are there still go on where they are; those of an account that is unlocked, where they have been. */
async function reload(app: App, state: State, userId: UserId): Promise<void> {
  const before = state.byUser.get(userId) ?? []
  state.byUser.delete(userId)
  for (const row of await pushersAtWorkOf(app.db, userId)) {
    const known = before.find(
      ({ row: { app_id, pushkey, kind } }) => app_id === row.app_id && pushkey === row.pushkey && kind === row.kind,
    )
    if (known === undefined) add(state, row)?.wake()
    else {
      known.row = row
      state.byUser.set(userId, [...(state.byUser.get(userId) ?? []), known])
    }
  }
  for (const pusher of before) if (!state.byUser.get(userId)?.includes(pusher)) pusher.leave()
}
