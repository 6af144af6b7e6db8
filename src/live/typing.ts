import type { Timers } from './time.ts'

/** Who is typing where, in memory alone: lists of a few seconds that a restart may lose. */
export interface Typing {
  /** The user types for so long from now on; 0 stops. */
  set(room: number, userId: string, timeoutMs: number): void
  /** The lists that changed after the serial, as they are now. */
  changesSince(serial: number): TypingChanges
  /** Calls back whenever a list has changed. Returns the way to stop. */
  onChange(listener: () => void): () => void
}

export interface TypingChanges {
  /** Counts the changes of all lists. */
  readonly serial: number
  /** Who is typing, by room. */
  readonly lists: ReadonlyMap<number, readonly string[]>
}

/** Longest time that one request counts, whatever the client asks for. */
const MAX_TIMEOUT_MS = 120_000
/** More users than a client could show are not listed. */
const MAX_USERS = 100
/** Rooms remembered: of the one that changed longest ago a late poll may miss that somebody stopped. */
const MAX_ROOMS = 10_000

interface RoomTyping {
  readonly serial: number
  /** Each with the way to cancel its end. */
  readonly users: Map<string, () => void>
}

/** `changed` is told of every room whose list changed. */
export function createTyping(timers: Timers, changed: (room: number) => void): Typing {
  /** In the order of their last change. */
  const rooms = new Map<number, RoomTyping>()
  const listeners = new Set<() => void>()
  let serial = 0

  function tell(room: number, users: Map<string, () => void>): void {
    serial++
    rooms.delete(room)
    rooms.set(room, { serial, users })
    const oldest = rooms.keys().next()
    if (rooms.size > MAX_ROOMS && !oldest.done) rooms.delete(oldest.value)
    changed(room)
    for (const listener of listeners) listener()
  }

  function stop(room: number, userId: string): void {
    const users = rooms.get(room)?.users
    if (users?.delete(userId)) tell(room, users)
  }

  return {
    set(room, userId, timeoutMs) {
      const users = rooms.get(room)?.users ?? new Map<string, () => void>()
      users.get(userId)?.()
      if (timeoutMs <= 0) return stop(room, userId)
      const isNew = !users.has(userId)
      if (isNew && users.size >= MAX_USERS) return
      users.set(
        userId,
        timers.after(Math.min(timeoutMs, MAX_TIMEOUT_MS), () => stop(room, userId)),
      )
      if (isNew) tell(room, users)
    },
    changesSince(since) {
      const lists = new Map<number, readonly string[]>()
      for (const [room, typing] of rooms) if (typing.serial > since) lists.set(room, [...typing.users.keys()])
      return { serial, lists }
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** One call of `set`, as a process tells it the others. */
export function typingText(boot: string, room: number, userId: string, timeoutMs: number): string {
  return `typing ${boot} ${room} ${Math.max(timeoutMs, 0)} ${userId}`
}

/** Takes in what a process told; what this one told itself changes nothing. */
export function hearTyping(typing: Typing, boot: string, text: string): void {
  const [, teller, room, timeoutMs, userId] = /^typing (\S+) (\d+) (\d+) (.+)$/.exec(text) ?? []
  if (teller !== boot && userId !== undefined) typing.set(Number(room), userId, Number(timeoutMs))
}
