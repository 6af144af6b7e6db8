import { MAIN_THREAD, type UnreadCount, type UnreadCounts } from '../../core/unread.ts'
import { countRooms, type RoomToCount } from '../unread.ts'
import { hasNews, type Scope } from './scope.ts'
import type { Timeline } from './timeline.ts'

export interface UnreadPart {
  /** Keys of the room's JSON. */
  readonly json: string
  readonly total: UnreadCount
  /** The counts are news by themselves. */
  readonly changed: boolean
}

/** The unread counts of the joined rooms in which something happened, by room. */
export async function readUnread(scope: Scope, timelines: readonly Timeline[]): Promise<Map<number, UnreadPart>> {
  const { app, request, settings, to } = scope
  const rooms = timelines.filter(({ room }) => room.membership === 'join').flatMap((item) => roomToCount(scope, item))
  const user = {
    userId: request.viewer.userId,
    ruleset: settings.pushRules,
    rulesetPosition: settings.pushRulesPosition,
    ignored: settings.ignored,
  }
  const before = new Map(rooms.map(({ room }) => [room, app.live.unreadCounts.get(user.userId, room)?.counts]))
  const byThread = request.filter.room.timeline.unreadThreadNotifications
  const unread = new Map<number, UnreadPart>()
  for (const [room, counts] of await countRooms(app, user, rooms, to)) {
    const changed = !sameCounts(before.get(room), counts)
    unread.set(room, { json: unreadJson(counts, byThread), total: sum([...counts.values()]), changed })
  }
  return unread
}

function roomToCount(scope: Scope, timeline: Timeline): RoomToCount[] {
  const { room } = timeline
  const receiptsMoved = hasNews(scope, room.room, 'receipt')
  if (!receiptsMoved && !room.wholeState && !hasNews(scope, room.room, 'event')) return []
  // A redaction takes back what was counted.
  const redacts = timeline.scanned.some((row) => row.type === 'm.room.redaction')
  const complete = !timeline.limited && timeline.scanned.length > 0
  const news = complete ? { after: room.from, events: timeline.scanned } : undefined
  return [{ news, receiptsMoved: receiptsMoved || redacts, ...room }]
}

function unreadJson(counts: UnreadCounts, byThread: boolean): string {
  if (!byThread) return `"unread_notifications":${countJson(sum([...counts.values()]))}`
  const main = countJson(counts.get(MAIN_THREAD) ?? sum([]))
  const threads = [...counts].filter(([thread]) => thread !== MAIN_THREAD)
  const texts = threads.map(([thread, count]) => `${JSON.stringify(thread)}:${countJson(count)}`)
  return `"unread_notifications":${main},"unread_thread_notifications":{${texts.join(',')}}`
}

function countJson(count: UnreadCount): string {
  return JSON.stringify({ notification_count: count.notifications, highlight_count: count.highlights })
}

function sum(counts: readonly UnreadCount[]): UnreadCount {
  let [notifications, highlights] = [0, 0]
  for (const count of counts) {
    notifications += count.notifications
    highlights += count.highlights
  }
  return { notifications, highlights }
}

function sameCounts(a: UnreadCounts | undefined, b: UnreadCounts): boolean {
  if (a === undefined || a.size !== b.size) return false
  return [...b].every(([thread, count]) => {
    const other = a.get(thread)
    return other?.notifications === count.notifications && other.highlights === count.highlights
  })
}
