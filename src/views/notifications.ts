import type { App } from '../app.ts'
import { canonicalJson, type JsonValue } from '../core/json.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { type PushAction, pushOutcome } from '../core/push-rules.ts'
import { actionsFor, isRead, MAIN_THREAD } from '../core/unread.ts'
import { type EventRow, eventsById } from '../store/events.ts'
import { eventRowsBefore } from '../store/log.ts'
import { type RoomOfUser, roomsOfUser } from '../store/memberships.ts'
import { ownReceipts } from '../store/receipts.ts'
import { clientEvents, type Viewer } from './client-events.ts'
import { type CountingUser, countingUser, readerOf, readUpToIn, withPowers } from './unread.ts'
import { visibleEvents } from './visible-events.ts'

export interface NotificationsRequest {
  readonly viewer: Viewer
  readonly from: string | undefined
  readonly limit: number
  readonly onlyHighlights: boolean
}

/** Events looked at together. */
const PAGE = 100
/** Pages looked at for one answer. */
const MAX_PAGES = 10
/** Rows of the log passed over for one page. */
const MAX_LOG_ROWS = 50_000

interface Notification {
  readonly row: EventRow
  readonly room: RoomOfUser
  readonly actions: readonly PushAction[]
}

/**
 * What the user was notified of, newest first, as JSON text (`GET /notifications`). Nothing is kept for it: events are
 * held to the rules as they are now. Errors: M_INVALID_PARAM.
 */
export async function notifications(app: App, request: NotificationsRequest): Promise<string> {
  const { userId } = request.viewer
  const joined = (await roomsOfUser(app.db, userId, Number.MAX_SAFE_INTEGER)).filter(
    (room) => room.membership === 'join',
  )
  const rooms = new Map(joined.map((room) => [room.room, room]))
  const user = await countingUser(app, userId)
  const found: Notification[] = []
  let before = request.from === undefined ? app.db.safePosition() + 1 : positionOf(request.from)
  for (let page = 0; page < MAX_PAGES && before > 0 && found.length < request.limit; page++) {
    const after = Math.max(before - MAX_LOG_ROWS - 1, 0)
    const places = await eventRowsBefore(app.db, [...rooms.keys()], after, before, PAGE)
    const notified = await notifying(app, request, user, rooms, places)
    const taken = notified.slice(0, request.limit - found.length)
    found.push(...taken)
    if (taken.length < notified.length) before = taken.at(-1)?.row.position ?? 0
    else before = places.length < PAGE ? after : (places.at(-1)?.position ?? 0)
  }
  const texts = await notificationTexts(app, request.viewer, found)
  const next = before > 0 ? `"next_token":"${before}",` : ''
  return `{${next}"notifications":[${texts.join(',')}]}`
}

function positionOf(token: string): number {
  if (!/^\d{1,15}$/.test(token)) throw new MatrixError('M_INVALID_PARAM', 'from is not a token of this server.')
  return Number(token)
}

/** Those of the events that the user's rules make something of, newest first. */
async function notifying(
  app: App,
  request: NotificationsRequest,
  user: CountingUser,
  rooms: ReadonlyMap<number, RoomOfUser>,
  places: readonly { readonly subject: string }[],
): Promise<Notification[]> {
  if (places.length === 0) return []
  const rows = await eventsById(
    app.db,
    places.map((place) => place.subject),
    app.db.safePosition(),
  )
  const visible = await visibleEvents(app, user.userId, rows)
  const notified: Notification[] = []
  for (const row of visible.sort((a, b) => (b.position ?? 0) - (a.position ?? 0))) {
    const room = rooms.get(row.room)
    if (room === undefined || (row.position ?? 0) <= room.position) continue
    const reader = { ...readerOf(user, room), readUpTo: { whole: 0, threads: new Map<string, number>() } }
    const actions = await withPowers(app, room, (senderMayNotify) => actionsFor(row, { ...reader, senderMayNotify }))
    const { notify, highlight } = pushOutcome(actions)
    if (notify && (highlight || !request.onlyHighlights)) notified.push({ row, room, actions })
  }
  return notified
}

async function notificationTexts(app: App, viewer: Viewer, found: readonly Notification[]): Promise<string[]> {
  if (found.length === 0) return []
  const rooms = new Map(found.map(({ room }) => [room.room, room]))
  const receipts = await ownReceipts(app.db, viewer.userId, [...rooms.keys()])
  const rows = found.map(({ row }) => row)
  const events = await clientEvents(app, viewer, rows, (row) => {
    const room = rooms.get(row.room)
    return { roomId: room?.room_id, version: room?.version ?? null }
  })
  return found.map(({ row, room, actions }, index) => {
    const read = isRead(row, row.thread_root ?? MAIN_THREAD, { readUpTo: readUpToIn(row.room, receipts) })
    const keys = [
      `"actions":${canonicalJson(actions as readonly JsonValue[])}`,
      `"event":${events[index]}`,
      // No rule has one any more; old clients want the key.
      '"profile_tag":""',
      `"read":${read}`,
      `"room_id":${JSON.stringify(room.room_id)}`,
      `"ts":${row.origin_server_ts}`,
    ]
    return `{${keys.join(',')}}`
  })
}
