import { hash } from 'node:crypto'
import { composeMail } from '../actions/accounts/compose-mail.ts'
import { removePusher } from '../actions/accounts/set-pusher.ts'
import { unsubscribeLink } from '../actions/accounts/unsubscribe.ts'
import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import { createPlaces, type Places } from '../live/places.ts'
import { AddressRefused, type Mail, type Mailer, MailNotSent, MailPutOff } from '../remote/mailer.ts'
import { keepDigest, type PusherRow } from '../store/pushers.ts'
import { digestOf, type Notice, type Unread, unreadSince } from '../views/digest.ts'
import { type Memory, memoryIn, memoryText, pauseRooms } from './mail-memory.ts'
import { paced } from './pace.ts'
import type { Pusher, PushWorld } from './pusher.ts'

/** Less than the mailer sends at once: mail that somebody waits for has places left. */
const AT_ONCE_MAX = 4
/** After a mail that was not taken. */
const PAUSES = { firstMs: 60_000, growth: 2, maxMs: 3_600_000, spread: 0.25 }
/** So long nobody tries a mail server that is away. */
const AWAY_MS = 60_000
/** Days in a row on which the mail server refuses an address, until it is given up. */
const REFUSALS_MAX = 3
const MARKS = 10
/** Invites have their pause together: anybody can send them, from any number of rooms. */
const INVITES = 0
const DAY_MS = 24 * 3_600_000

interface MailWorld {
  readonly push: PushWorld
  readonly mailer: Mailer
  readonly places: Places
  /** The mail server was away. Milliseconds since 1970. */
  awayUntil: number
}

interface MailPusher extends Pusher {
  readonly memory: Memory
  /** What came before is read, or was told. */
  position: number
  /** When it is looked next for what is unread; milliseconds since 1970. */
  due: number | undefined
  /** When what came up to a position had come, oldest first; good to a tenth of `notify_after`. */
  marks: readonly { readonly position: number; readonly atMs: number }[]
  gone: boolean
  cancel: () => void
}

/** Makes pushers of the kind `email`; undefined where no mail is sent. */
export function mailPushers(app: App, world: PushWorld): ((row: PusherRow) => Pusher) | undefined {
  const { mailer } = app.remote
  if (mailer === undefined) return undefined
  const places = createPlaces(AT_ONCE_MAX, Number.POSITIVE_INFINITY, '')
  const shared: MailWorld = { push: world, mailer, places, awayUntil: 0 }
  return (row) => mailPusher(app, shared, row)
}

/**
 * Tells by mail what stays unread: after `client_api.email.notify_after` in one mail for all rooms, of one room then
 * after pauses that grow up to a day, until it is read. Nothing is looked at before that time. A mail that was sent as
 * the process died is sent once more, under the same Message-ID.
 */
function mailPusher(app: App, world: MailWorld, row: PusherRow): Pusher {
  const pace = paced(app, {
    step: () => world.places(() => tellUnread(app, world, pusher)),
    failed: (error) => app.log.error({ err: error, user: row.user_id }, 'a pusher stands still for a while'),
    pauses: PAUSES,
  })
  const pusher: MailPusher = {
    row,
    pace,
    memory: memoryIn(row.digest),
    position: row.position,
    due: undefined,
    marks: [],
    gone: false,
    cancel: () => undefined,
    wake() {
      mark(app, pusher)
      lookAt(app, pusher, app.clock.now() + app.config.client_api.email.notify_after)
    },
    leave() {
      pusher.gone = true
      pusher.cancel()
      pace.stop()
    },
  }
  return pusher
}

/** Of the marks that are old enough the last is enough, so that there are never more than eleven. */
function mark(app: App, pusher: MailPusher): void {
  const { marks } = pusher
  const [nowMs, waitMs] = [app.clock.now(), app.config.client_api.email.notify_after]
  const position = app.db.safePosition()
  const last = marks.at(-1)
  if (last !== undefined && nowMs - last.atMs < waitMs / MARKS) {
    pusher.marks = [...marks.slice(0, -1), { ...last, position }]
    return
  }
  const old = marks.findLast(({ atMs }) => atMs + waitMs <= nowMs)
  pusher.marks = [...marks.slice(old === undefined ? 0 : marks.indexOf(old)), { position, atMs: nowMs }]
}

/** Not later than it would be looked anyway. */
function lookAt(app: App, pusher: MailPusher, due: number): void {
  if (pusher.gone || (pusher.due !== undefined && pusher.due <= due)) return
  pusher.cancel()
  pusher.due = due
  pusher.cancel = app.timers.after(due - app.clock.now(), () => pusher.pace.start())
}

/** Resolves with false: what comes next has its time. */
async function tellUnread(app: App, world: MailWorld, pusher: MailPusher): Promise<false> {
  if (pusher.gone || world.push.stopped) return false
  if (world.awayUntil > app.clock.now()) {
    pusher.pace.pause()
    return false
  }
  pusher.due = undefined
  const unread = await unreadSince(app, pusher.row.user_id, pusher.position)
  for (const room of unread.seen) pusher.memory.rooms.delete(room)
  if (unread.seen.size > 0) pusher.memory.rooms.delete(INVITES)
  const due = dueOf(app, pusher, unread)
  if (due === undefined) pusher.position = unread.position
  else if (due > app.clock.now()) lookAt(app, pusher, due)
  else if (!(await sent(app, world, pusher, unread))) return false
  if (unread.position < app.db.safePosition()) pusher.wake()
  return false
}

/** When a mail is to be sent of what is unread; undefined: everything is read. */
function dueOf(app: App, { memory, marks }: MailPusher, { rooms }: Unread): number | undefined {
  let due: number | undefined
  for (const notices of rooms.values()) {
    const [first] = notices
    const cameMs = marks.find(({ position }) => position >= (first?.position ?? 0))?.atMs ?? app.clock.now()
    const ofRoom = Math.max(
      cameMs + app.config.client_api.email.notify_after,
      memory.rooms.get(pauseOf(notices))?.untilMs ?? 0,
      memory.notBeforeMs,
    )
    due = Math.min(due ?? ofRoom, ofRoom)
  }
  return due
}

/** The number of the room, whose next mail waits. */
function pauseOf([first]: readonly Notice[]): number {
  return first === undefined || first.room.membership === 'invite' ? INVITES : first.room.room
}

/** Resolves with whether the pusher goes on: what was unread is told, or never will be. */
async function sent(app: App, world: MailWorld, pusher: MailPusher, unread: Unread): Promise<boolean> {
  const { row, memory, pace } = pusher
  const nowMs = app.clock.now()
  const mail = await mailOf(app, pusher, unread)
  try {
    if (pusher.gone) return false
    await world.mailer.send(mail, world.push.hangUp.signal)
    pauseRooms(memory, new Set([...unread.rooms.values()].map(pauseOf)), nowMs)
    memory.refusals = 0
  } catch (error) {
    if (error instanceof MailNotSent) return failed(app, world, pusher, error)
    if (!(error instanceof AddressRefused)) throw error
    const { user_id: user } = row
    app.log.warn({ user, reason: error.message }, 'the mail server refuses an address: nothing is sent to it for a day')
    if (++memory.refusals >= REFUSALS_MAX) {
      pusher.leave()
      await removePusher(app, row)
      return false
    }
    memory.notBeforeMs = nowMs + DAY_MS
  }
  pace.recover()
  pusher.position = unread.position
  const writes = [keepDigest(row, pusher.position, memoryText(memory, nowMs))]
  if ((await write(app, { guards: world.push.lease.guards(), writes, log: [] })) === undefined) pusher.leave()
  return true
}

async function mailOf(app: App, { row, position }: MailPusher, unread: Unread): Promise<Mail> {
  const { user_id: userId, pushkey: to } = row
  const unsubscribe = unsubscribeLink(app, userId, to)
  const composed = await composeMail(app, 'digest', { ...(await digestOf(app, unread)), userId, unsubscribe }, 'digest')
  const newest = [...unread.rooms.values()].reduce((max, notices) => Math.max(max, notices.at(-1)?.position ?? 0), 0)
  // The same for the same news: a mailbox that gets them twice can tell.
  const id = hash('sha256', JSON.stringify([userId, to, position, newest]), 'base64url')
  return {
    to,
    ...composed,
    messageId: `<${id}@${app.serverName.replace(/:\d+$/, '')}>`,
    // RFC 8058: the button of mail programs.
    headers: { 'List-Unsubscribe': `<${unsubscribe}>`, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' },
  }
}

function failed(app: App, world: MailWorld, { row, pace }: MailPusher, error: MailNotSent): false {
  if (!(error instanceof MailPutOff)) world.awayUntil = app.clock.now() + AWAY_MS
  if (pace.failures === 0)
    app.log.warn({ user: row.user_id, reason: error.message }, 'a mail about what is unread waits for the mail server')
  pace.pause()
  return false
}
