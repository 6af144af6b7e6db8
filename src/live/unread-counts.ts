import { LRUCache } from 'lru-cache'
import type { UnreadCounts } from '../core/unread.ts'

/** What a user has unread in a room, counted up to a position of the log. */
export interface CountedRoom {
  readonly position: number
  readonly counts: UnreadCounts
  /** How far the user has read, when it was counted. */
  readonly readUpTo: { readonly whole: number; readonly threads: ReadonlyMap<string, number> }
}

/** Counts made for syncs, so that the next one counts on from there. What is forgotten is counted afresh. */
export interface UnreadCountsCache {
  get(userId: string, room: number): CountedRoom | undefined
  set(userId: string, room: number, counted: CountedRoom): void
}

const MAX_ROOMS = 100_000

export function createUnreadCountsCache(): UnreadCountsCache {
  // By size: a cache of so many entries by number reserves megabytes for them at the start.
  const rooms = new LRUCache<string, CountedRoom>({ maxSize: MAX_ROOMS, sizeCalculation: () => 1 })
  return {
    get: (userId, room) => rooms.get(`${room} ${userId}`),
    set: (userId, room, counted) => void rooms.set(`${room} ${userId}`, counted),
  }
}
