import type { App } from '../app.ts'
import { createUnreadCountsCache, type UnreadCountsCache } from '../live/unread-counts.ts'
import type { Pushes } from '../views/pushes.ts'
import { countRooms } from '../views/unread.ts'

/** Rooms counted at once, between which others have their turn. */
const ROOMS_AT_ONCE = 25

/** How much a user has not read, over all rooms: the number on the badge of an app. */
export interface UnreadTotal {
  /** Counts on what was touched, and on the first call all rooms. */
  after(app: App, pushes: Pushes): Promise<number>
}

/** A cache of its own: from that of the syncs they learn what is news to their clients. */
export function unreadTotal(cache: UnreadCountsCache = createUnreadCountsCache()): UnreadTotal {
  let byRoom: Map<number, number> | undefined
  let rulesetPosition = 0
  return {
    async after(app, { user, rooms, position, touched }) {
      const joined = rooms.filter(({ membership }) => membership === 'join')
      const known = user.rulesetPosition === rulesetPosition ? byRoom : undefined
      const totals = new Map<number, number>()
      const changed = joined.filter(({ room }) => touched.has(room) || known?.has(room) !== true)
      for (const { room } of joined) totals.set(room, known?.get(room) ?? 0)
      for (let start = 0; start < changed.length; start += ROOMS_AT_ONCE) {
        const some = changed.slice(start, start + ROOMS_AT_ONCE).map((room) => ({
          ...room,
          news: undefined,
          receiptsMoved: touched.get(room.room)?.read ?? false,
        }))
        for (const [room, threads] of await countRooms(app, user, some, position, cache))
          totals.set(
            room,
            [...threads.values()].reduce((sum, { notifications }) => sum + notifications, 0),
          )
        if (start + ROOMS_AT_ONCE < changed.length) await app.timers.sleep(0)
      }
      byRoom = totals
      rulesetPosition = user.rulesetPosition
      return [...totals.values()].reduce((sum, count) => sum + count, 0)
    },
  }
}
