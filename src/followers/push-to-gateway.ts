import { removePusher } from '../actions/accounts/set-pusher.ts'
import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import { createPlaces } from '../live/places.ts'
import { Unreachable } from '../remote/outbound.ts'
import { NotificationRefused, notifyGateway } from '../remote/push-gateway.ts'
import { movePusher, type PusherRow } from '../store/pushers.ts'
import { gatewayDataOf, pushNotification } from '../views/push-notification.ts'
import { type Push, pushesSince } from '../views/pushes.ts'
import { paced } from './pace.ts'
import type { Pusher, PushWorld } from './pusher.ts'
import { type UnreadTotal, unreadTotal } from './unread-total.ts'

/** A gateway that does not answer is left alone for so long. */
const PAUSES = { firstMs: 1_000, growth: 2, maxMs: 3_600_000 }
/** Nobody wants to be woken by what is older: a gateway that was away for longer misses it. */
const AGE_MAX_MS = 24 * 3_600_000
/** Gateways asked at once, over all pushers. */
const AT_ONCE_MAX = 50

interface GatewayPusher extends Pusher {
  position: number
  failingSince: number | null
  /** The number of unread messages that the gateway knows; undefined until it was told one. */
  told: number | undefined
  readonly unread: UnreadTotal
  gone: boolean
}

/** Makes pushers of the kind `http`, which tell push gateways: events come in order, and once. */
export function gatewayPushers(app: App, world: PushWorld): (row: PusherRow) => Pusher {
  const places = createPlaces(AT_ONCE_MAX, Number.POSITIVE_INFINITY, '')
  return (row) => {
    const pace = paced(app, {
      step: () => places(() => pushSome(app, world, pusher)),
      failed: (error) => app.log.error({ err: error, user: row.user_id }, 'a pusher stands still for a while'),
      pauses: PAUSES,
    })
    const pusher: GatewayPusher = {
      row,
      pace,
      position: row.position,
      failingSince: null,
      told: undefined,
      unread: unreadTotal(),
      gone: false,
      wake: () => pace.start(),
      leave() {
        pusher.gone = true
        pace.stop()
      },
    }
    return pusher
  }
}

/** Resolves with whether there may be more to tell now. */
async function pushSome(app: App, world: PushWorld, pusher: GatewayPusher): Promise<boolean> {
  if (pusher.gone || world.stopped) return false
  const pushes = await pushesSince(app, pusher.row.user_id, pusher.position)
  if (pushes.touched.size === 0) {
    pusher.position = pushes.position
    return pushes.position < app.db.safePosition()
  }
  const unread = await pusher.unread.after(app, pushes)
  const oldest = app.clock.now() - AGE_MAX_MS
  for (const push of pushes.pushes) {
    if (push.event.origin_server_ts !== 0 && push.event.origin_server_ts < oldest) continue
    if (!(await tell(app, world, pusher, unread, push))) return false
    await move(app, world, pusher, push.position)
  }
  const badgeAlone = pusher.told !== undefined && pusher.told !== unread
  if (badgeAlone && !(await tell(app, world, pusher, unread, undefined))) return false
  pusher.position = pushes.position
  return pushes.position < app.db.safePosition()
}

/** Resolves with whether the gateway has heard of it, or never will. */
async function tell(
  app: App,
  world: PushWorld,
  pusher: GatewayPusher,
  unread: number,
  push: Push | undefined,
): Promise<boolean> {
  const { row } = pusher
  if (pusher.gone || world.stopped) return false
  const notification = await pushNotification(app, row, unread, push)
  try {
    const url = String(gatewayDataOf(row).url)
    const rejected = await notifyGateway(app.remote.pushGateways, url, notification, world.hangUp.signal)
    if (rejected.has(row.pushkey)) {
      pusher.leave()
      app.log.info({ user: row.user_id, app: row.app_id }, 'the push gateway knows the device no more: its pusher goes')
      await removePusher(app, row)
      return false
    }
  } catch (error) {
    if (error instanceof Unreachable) return failed(app, world, pusher, error)
    if (!(error instanceof NotificationRefused)) throw error
    app.log.warn({ user: row.user_id, app: row.app_id, reason: error.message }, 'a notification is left out')
  }
  pusher.told = unread
  pusher.failingSince = null
  pusher.pace.recover()
  return true
}

async function failed(app: App, world: PushWorld, pusher: GatewayPusher, error: Unreachable): Promise<false> {
  pusher.pace.pause()
  if (pusher.failingSince === null) {
    pusher.failingSince = app.clock.now()
    app.log.info({ app: pusher.row.app_id, reason: error.message }, 'a push gateway does not answer')
    await move(app, world, pusher, pusher.position)
  }
  return false
}

/** What was told is durable before anything else is told, so that a restart repeats at most the last. */
async function move(app: App, world: PushWorld, pusher: GatewayPusher, position: number): Promise<void> {
  pusher.position = position
  const writes = [movePusher(pusher.row, position, pusher.failingSince)]
  if ((await write(app, { guards: world.lease.guards(), writes, log: [] })) === undefined) pusher.leave()
}
