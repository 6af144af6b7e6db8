import type { App } from '../app.ts'
import type { RoomId } from '../core/ids.ts'
import { type PowerLevels, powerLevelsOf } from '../core/power-levels.ts'
import { notificationLevel } from '../core/push-conditions.ts'
import type { PushRuleset } from '../core/push-rules.ts'
import { roomVersion } from '../core/room-version.ts'
import { type CountedEvent, countUnread, type Reader, type UnreadCounts } from '../core/unread.ts'
import type { CountedRoom, UnreadCountsCache } from '../live/unread-counts.ts'
import { globalAccountDataSince } from '../store/account-data.ts'
import { authEventOf } from '../store/events.ts'
import { type OwnReceipt, ownReceipts } from '../store/receipts.ts'
import { currentAuthRows } from '../store/state.ts'
import { eventsToCount, unreadEvents } from '../store/unread.ts'
import { settingsFrom } from './settings.ts'

/** A room whose unread events are counted, as the user has it. */
export interface RoomToCount {
  readonly room: number
  readonly room_id: string
  readonly version: string | null
  readonly displayname: string | null
  readonly joined_members: number
  /** Events after this position that are read already, all of them; undefined: they have to be read. */
  readonly news: { readonly after: number; readonly events: readonly CountedEvent[] } | undefined
  /** Receipts may have moved since the last time. */
  readonly receiptsMoved: boolean
}

/** Whose counts, by which rules. */
export interface CountingUser {
  readonly userId: string
  readonly ruleset: PushRuleset
  /** When the rules were changed last: what was counted before then no longer counts. */
  readonly rulesetPosition: number
  readonly ignored: ReadonlySet<string>
}

/**
 * Events counted at the most in a room when nothing is known of it: after a restart somebody who never reads has at
 * least so many unread.
 */
const MAX_COUNTED = 200

/**
 * What the user has unread in the rooms up to the position. Nothing is written for it: counts grow in memory from one
 * sync to the next, by the events between them alone.
 */
export async function countRooms(
  app: App,
  user: CountingUser,
  rooms: readonly RoomToCount[],
  to: number,
  cache: UnreadCountsCache = app.live.unreadCounts,
): Promise<Map<number, UnreadCounts>> {
  const usable = (room: RoomToCount) => {
    const counted = cache.get(user.userId, room.room)
    return counted !== undefined && counted.position >= user.rulesetPosition && !room.receiptsMoved
      ? counted
      : undefined
  }
  const counts = new Map<number, UnreadCounts>()
  const afresh = rooms.filter((room) => usable(room) === undefined)
  for (const [room, counted] of await countAfresh(app, user, afresh, to)) {
    cache.set(user.userId, room, counted)
    counts.set(room, counted.counts)
  }
  for (const room of rooms) {
    const before = usable(room)
    if (before === undefined || counts.has(room.room)) continue
    const counted = await countOn(app, user, room, before, to)
    cache.set(user.userId, room.room, counted)
    counts.set(room.room, counted.counts)
  }
  return counts
}

async function countOn(
  app: App,
  user: CountingUser,
  room: RoomToCount,
  before: CountedRoom,
  to: number,
): Promise<CountedRoom> {
  if (before.position >= to) return before
  const { news } = room
  const events =
    news !== undefined && news.after <= before.position
      ? news.events.filter((event) => (event.position ?? 0) > before.position)
      : await eventsToCount(app.db, room.room, before.position, to, MAX_COUNTED)
  const { readUpTo } = before
  return { position: to, readUpTo, counts: await count(app, user, room, before.counts, events, readUpTo) }
}

async function countAfresh(
  app: App,
  user: CountingUser,
  rooms: readonly RoomToCount[],
  to: number,
): Promise<Map<number, CountedRoom>> {
  const counted = new Map<number, CountedRoom>()
  if (rooms.length === 0) return counted
  const numbers = rooms.map((room) => room.room)
  const receipts = await ownReceipts(app.db, user.userId, numbers)
  const events = await unreadEvents(app.db, user.userId, numbers, to, MAX_COUNTED)
  for (const room of rooms) {
    const readUpTo = readUpToIn(room.room, receipts)
    const unread = events.filter((event) => event.room === room.room)
    const counts = await count(app, user, room, new Map(), unread, readUpTo)
    counted.set(room.room, { position: to, readUpTo, counts })
  }
  return counted
}

async function count(
  app: App,
  user: CountingUser,
  room: RoomToCount,
  before: UnreadCounts,
  events: readonly CountedEvent[],
  readUpTo: CountedRoom['readUpTo'],
): Promise<UnreadCounts> {
  if (events.length === 0) return before
  return withPowers(app, room, (senderMayNotify) =>
    countUnread(before, events, { ...readerOf(user, room), readUpTo, senderMayNotify }),
  )
}

/** How far the user has read in the room, by their receipts of several rooms. */
export function readUpToIn(room: number, receipts: readonly OwnReceipt[]): CountedRoom['readUpTo'] {
  const threads = new Map<string, number>()
  for (const { room: number, thread, read_up_to: upTo } of receipts)
    if (number === room) threads.set(thread, Math.max(threads.get(thread) ?? 0, upTo ?? 0))
  return { whole: threads.get('') ?? 0, threads }
}

/** The user with the rules of today. */
export async function countingUser(app: App, userId: string): Promise<CountingUser> {
  const settings = settingsFrom(app, userId, await globalAccountDataSince(app.db, userId, Number.MAX_SAFE_INTEGER))
  return { ...settings, userId, ruleset: settings.pushRules, rulesetPosition: settings.pushRulesPosition }
}

/** What counting and `/notifications` know of the reader in the room. */
export function readerOf(user: CountingUser, room: Omit<RoomToCount, 'news' | 'receiptsMoved'>) {
  return {
    userId: user.userId,
    ruleset: user.ruleset,
    ignored: user.ignored,
    roomId: room.room_id,
    displayName: room.displayname ?? undefined,
    memberCount: room.joined_members,
  }
}

/** Power levels matter for mentions of the whole room alone: they are read when a rule asks, and it runs again. */
export async function withPowers<T>(
  app: App,
  room: { readonly room: number; readonly room_id: string; readonly version: string | null },
  evaluate: (senderMayNotify: Reader['senderMayNotify']) => T,
): Promise<T> {
  let asked = false
  const result = evaluate(() => {
    asked = true
    return false
  })
  if (!asked) return result
  const { levels, levelFor } = await powersOf(app, room)
  return evaluate((sender, key) => levels.ofUser(sender) >= levelFor(key))
}

async function powersOf(
  app: App,
  room: { readonly room: number; readonly room_id: string; readonly version: string | null },
): Promise<{ levels: Pick<PowerLevels, 'ofUser'>; levelFor: (key: string) => number }> {
  const version = roomVersion(room.version ?? '')
  if (version === undefined) return { levels: { ofUser: () => 0 }, levelFor: () => Number.POSITIVE_INFINITY }
  const rows = await currentAuthRows(app.db, room.room, [
    ['m.room.create', ''],
    ['m.room.power_levels', ''],
  ])
  const events = rows.map((row) => authEventOf(row, room.room_id as RoomId))
  const create = events.find((event) => event.type === 'm.room.create')
  const powerLevels = events.find((event) => event.type === 'm.room.power_levels')
  return {
    levels: powerLevelsOf(version, create, powerLevels),
    levelFor: (key) => notificationLevel(powerLevels?.content, key),
  }
}
