import type { Timers } from './time.ts'

/** Who syncs at this process, and what is known of their presence, so that most syncs need not ask for it. */
export interface PresenceWatch {
  /** A sync of the user begins. */
  began(userId: string): void
  /** It ended. `gone` runs when no other begins for a while. */
  ended(userId: string, gone: () => void): void
  /** Whether the presence was found to be this one, a moment ago. */
  isKnown(userId: string, presence: string, nowMs: number): boolean
  found(userId: string, presence: string, nowMs: number): void
  /** It changed, here or at another process. */
  forget(userId: string): void
}

/** Who has not synced for so long is offline. */
const OFFLINE_AFTER_MS = 30_000
/** For so long a presence is believed without asking. */
const KNOWN_MS = 60_000
const MAX_KNOWN = 100_000

export function createPresenceWatch(timers: Timers): PresenceWatch {
  const syncing = new Map<string, number>()
  const leaving = new Map<string, () => void>()
  const known = new Map<string, { presence: string; atMs: number }>()
  return {
    began(userId) {
      leaving.get(userId)?.()
      leaving.delete(userId)
      syncing.set(userId, (syncing.get(userId) ?? 0) + 1)
    },
    ended(userId, gone) {
      const others = (syncing.get(userId) ?? 1) - 1
      if (others > 0) {
        syncing.set(userId, others)
        return
      }
      syncing.delete(userId)
      leaving.get(userId)?.()
      const leave = () => {
        leaving.delete(userId)
        gone()
      }
      leaving.set(userId, timers.after(OFFLINE_AFTER_MS, leave))
    },
    isKnown(userId, presence, nowMs) {
      const found = known.get(userId)
      return found?.presence === presence && nowMs - found.atMs < KNOWN_MS
    },
    found(userId, presence, nowMs) {
      known.set(userId, { presence, atMs: nowMs })
      const oldest = known.keys().next()
      if (known.size > MAX_KNOWN && !oldest.done) known.delete(oldest.value)
    },
    forget: (userId) => void known.delete(userId),
  }
}
