import { removePusher } from '../actions/set-pusher.ts'
import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import type { UserId } from '../core/ids.ts'
import { createPlaces, type Places } from '../live/places.ts'
import { Unreachable } from '../remote/outbound.ts'
import { NotificationRefused, notifyGateway } from '../remote/push-gateway.ts'
import { logRows } from '../store/log.ts'
import { allPushers, movePusher, PUSHER, type PusherRow, pushedIn, pushersOf } from '../store/pushers.ts'
import { gatewayDataOf, pushNotification } from '../views/push-notification.ts'
import { type Push, pushesSince } from '../views/pushes.ts'
import type { Follower } from './follower.ts'
import type { Lease } from './lease.ts'
import { allIdle, type Pace, paced } from './pace.ts'
import { type UnreadTotal, unreadTotal } from './unread-total.ts'

/** Rows of the log read at once. */
const LOG_ROWS = 1_000
/** What comes at the same time is looked at together. */
const DELAY_MS = 50
/** A gateway that does not answer is left alone for so long. */
const PAUSES = { firstMs: 1_000, growth: 2, maxMs: 3_600_000 }
/** Nobody wants to be woken by what is older: a gateway that was away for longer misses it. */
const AGE_MAX_MS = 24 * 3_600_000
/** So long a gateway that is being told something may still answer when the server stops: else it hears it twice. */
const GRACE_MS = 3_000
/** Gateways asked at once, over all pushers. */
const AT_ONCE_MAX = 50

interface Pusher {
  row: PusherRow
  position: number
  failingSince: number | null
  /** The number of unread messages that the gateway knows; undefined until it was told one. */
  told: number | undefined
  readonly unread: UnreadTotal
  gone: boolean
  readonly pace: Pace
}

interface State {
  readonly lease: Lease
  readonly byUser: Map<UserId, readonly Pusher[]>
  /** The log was read up to here. */
  seen: number
  readonly places: Places
  stopped: boolean
  readonly hangUp: AbortController
}

/**
 * Tells push gateways what notifies the users of their pushers (Client-Server API, "Push notifications"). Each pusher
 * is a cursor on the log with a pace of its own: events come in order, once, and a gateway that is slow or away holds
 * up nobody else.
 */
export async function startPush(app: App, lease: Lease): Promise<Follower> {
  const state: State = {
    lease,
    byUser: new Map(),
    seen: app.db.safePosition(),
    places: createPlaces(AT_ONCE_MAX, Number.POSITIVE_INFINITY, ''),
    stopped: false,
    hangUp: new AbortController(),
  }
  for (const row of await allPushers(app.db)) add(app, state, row)
  const paces = () => [...state.byUser.values()].flat().map(({ pace }) => pace)
  for (const pace of paces()) pace.start()
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
      for (const pace of paces()) pace.stop()
      const cancelHangUp = app.timers.after(GRACE_MS, () => state.hangUp.abort())
      await idle()
      cancelHangUp()
    },
  }
}

function add(app: App, state: State, row: PusherRow): void {
  const pace = paced(app, {
    step: () => state.places(() => pushSome(app, state, pusher)),
    failed: (error) => app.log.error({ err: error, user: row.user_id }, 'a pusher stands still for a while'),
    pauses: PAUSES,
  })
  const { position } = row
  const pusher: Pusher = {
    row,
    position,
    failingSince: null,
    told: undefined,
    unread: unreadTotal(),
    gone: false,
    pace,
  }
  state.byUser.set(row.user_id, [...(state.byUser.get(row.user_id) ?? []), pusher])
}

/** Starts the pushers of whoever is concerned by what the log tells. */
async function readLog(app: App, state: State): Promise<void> {
  for (let to = app.db.safePosition(); state.seen < to && !state.stopped; to = app.db.safePosition()) {
    const rows = await logRows(app.db, state.seen, to, LOG_ROWS)
    const changed = rows.filter(({ kind }) => kind === PUSHER || kind === 'session').map((row) => row.user_id as UserId)
    for (const userId of new Set(changed)) await reload(app, state, userId)
    const rooms = rows.flatMap((row) => (row.kind === 'event' ? (row.room ?? []) : []))
    const users = new Set(state.byUser.size === 0 ? [] : await pushedIn(app.db, [...new Set(rooms)]))
    for (const { kind, subject, user_id } of rows) {
      if (kind === 'receipt') users.add(subject as UserId)
      if (kind === 'membership') users.add(user_id as UserId)
    }
    state.seen = rows.length === LOG_ROWS ? rows.at(-1)!.position : to
    for (const user of users) for (const { pace } of state.byUser.get(user) ?? []) pace.start()
  }
}

/** Pushers that are there still go on where they are. */
async function reload(app: App, state: State, userId: UserId): Promise<void> {
  const before = state.byUser.get(userId) ?? []
  state.byUser.delete(userId)
  for (const row of await pushersOf(app.db, userId)) {
    const known = before.find(({ row: { app_id, pushkey } }) => app_id === row.app_id && pushkey === row.pushkey)
    if (known === undefined) add(app, state, row)
    else {
      known.row = row
      state.byUser.set(userId, [...(state.byUser.get(userId) ?? []), known])
    }
  }
  for (const pusher of before) {
    if (state.byUser.get(userId)?.includes(pusher)) continue
    leave(pusher)
  }
}

/** Resolves with whether there may be more to tell now. */
async function pushSome(app: App, state: State, pusher: Pusher): Promise<boolean> {
  if (pusher.gone || state.stopped) return false
  const pushes = await pushesSince(app, pusher.row.user_id, pusher.position)
  if (pushes.touched.size === 0) {
    pusher.position = pushes.position
    return pushes.position < app.db.safePosition()
  }
  const unread = await pusher.unread.after(app, pushes)
  const oldest = app.clock.now() - AGE_MAX_MS
  for (const push of pushes.pushes) {
    if (push.event.origin_server_ts !== 0 && push.event.origin_server_ts < oldest) continue
    if (!(await tell(app, state, pusher, unread, push))) return false
    await move(app, state, pusher, push.position)
  }
  const badgeAlone = pusher.told !== undefined && pusher.told !== unread
  if (badgeAlone && !(await tell(app, state, pusher, unread, undefined))) return false
  pusher.position = pushes.position
  return pushes.position < app.db.safePosition()
}

/** Resolves with whether the gateway has heard of it, or never will. */
async function tell(app: App, state: State, pusher: Pusher, unread: number, push: Push | undefined): Promise<boolean> {
  const { row } = pusher
  if (pusher.gone || state.stopped) return false
  const notification = await pushNotification(app, row, unread, push)
  try {
    const url = String(gatewayDataOf(row).url)
    const rejected = await notifyGateway(app.remote.pushGateways, url, notification, state.hangUp.signal)
    if (rejected.has(row.pushkey)) {
      leave(pusher)
      app.log.info({ user: row.user_id, app: row.app_id }, 'the push gateway knows the device no more: its pusher goes')
      await removePusher(app, row)
      return false
    }
  } catch (error) {
    if (error instanceof Unreachable) return failed(app, state, pusher, error)
    if (!(error instanceof NotificationRefused)) throw error
    app.log.warn({ user: row.user_id, app: row.app_id, reason: error.message }, 'a notification is left out')
  }
  pusher.told = unread
  pusher.failingSince = null
  pusher.pace.recover()
  return true
}

async function failed(app: App, state: State, pusher: Pusher, error: Unreachable): Promise<false> {
  pusher.pace.pause()
  if (pusher.failingSince === null) {
    pusher.failingSince = app.clock.now()
    app.log.info({ app: pusher.row.app_id, reason: error.message }, 'a push gateway does not answer')
    await move(app, state, pusher, pusher.position)
  }
  return false
}

/** What was told is durable before anything else is told, so that a restart repeats at most the last. */
async function move(app: App, state: State, pusher: Pusher, position: number): Promise<void> {
  pusher.position = position
  const writes = [movePusher(pusher.row, position, pusher.failingSince)]
  if ((await write(app, { guards: state.lease.guards(), writes, log: [] })) === undefined) leave(pusher)
}

function leave(pusher: Pusher): void {
  pusher.gone = true
  pusher.pace.stop()
}
