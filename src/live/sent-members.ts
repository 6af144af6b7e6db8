import { LRUCache } from 'lru-cache'

/**
 * Member events that clients with lazily loaded members have already, so that they are not sent again. What is
 * forgotten is only sent once more.
 */
export interface SentMembers {
  /** Those of the users whose member event the device got in an answer up to the position that it has come to. */
  known(device: string, room: number, since: number): ReadonlySet<string>
  /** `position` is that of the answer: it counts once the client comes back with its token. */
  sent(device: string, room: number, userIds: readonly string[], position: number): void
  /** The device begins anew with the room. */
  forget(device: string, room: number): void
}

const MAX_LISTS = 20_000
const MAX_MEMBERS_PER_LIST = 500

export function createSentMembers(): SentMembers {
  const lists = new LRUCache<string, Map<string, number>>({ maxSize: MAX_LISTS, sizeCalculation: () => 1 })
  const keyOf = (device: string, room: number) => `${room} ${device}`
  return {
    known(device, room, since) {
      const known = new Set<string>()
      for (const [userId, position] of lists.get(keyOf(device, room)) ?? []) if (position <= since) known.add(userId)
      return known
    },
    sent(device, room, userIds, position) {
      if (userIds.length === 0) return
      const list = lists.get(keyOf(device, room)) ?? new Map<string, number>()
      for (const userId of userIds) {
        // An earlier answer that came through is as good.
        if (!list.has(userId)) list.set(userId, position)
        const oldest = list.keys().next()
        if (list.size > MAX_MEMBERS_PER_LIST && !oldest.done) list.delete(oldest.value)
      }
      lists.set(keyOf(device, room), list)
    },
    forget: (device, room) => void lists.delete(keyOf(device, room)),
  }
}
