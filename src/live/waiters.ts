import type { LogRow } from '../db/database.ts'
import { ROOM_WANTED } from './room-tip.ts'
import type { Timers } from './time.ts'

/** A log row with its position, as the waiters read it. */
export interface SeenRow extends LogRow {
  readonly position: number
  /** Of presence and device lists: the rooms of the user, in which everybody hears of it. */
  readonly audience?: ReadonlySet<number>
}

export interface Wait {
  readonly userId: string
  readonly deviceId: string
  /** Rooms whose events concern the waiter. */
  readonly rooms: ReadonlySet<number>
  /** Wakes for rows above this position. */
  readonly since: number
  readonly timeoutMs: number
  /** Ends the wait early: the client hung up, or the server stops. */
  readonly signal: AbortSignal
}

/** Long polls asleep in memory. They wake for log rows of their rooms, and for those that name their user. */
export interface Waiters {
  /** Resolves with true when there may be news, false after the timeout or the abort. */
  wait(wait: Wait): Promise<boolean>
  /** Hands in the rows up to `position`; `complete` is false when some were left out: then everybody wakes. */
  heard(rows: readonly SeenRow[], position: number, complete: boolean): void
  /** Wakes those in the room for what has no row in the log, such as typing. */
  stir(room: number): void
  readonly count: number
}

interface Sleeper {
  readonly wait: Wait
  readonly wake: (news: boolean) => void
}

/** Rows kept, so that a poll that begins to wait just after a commit does not miss it. */
const MAX_RECENT_ROWS = 2_000

export function createWaiters(timers: Timers): Waiters {
  const sleepers = new Set<Sleeper>()
  const byRoom = new Map<number, Set<Sleeper>>()
  const byUser = new Map<string, Set<Sleeper>>()
  let recent: SeenRow[] = []
  /** Rows above this position are all in `recent`. */
  let completeFrom = 0
  let heardTo = 0

  function register(sleeper: Sleeper): void {
    sleepers.add(sleeper)
    addTo(byUser, sleeper.wait.userId, sleeper)
    for (const room of sleeper.wait.rooms) addTo(byRoom, room, sleeper)
  }

  function unregister(sleeper: Sleeper): void {
    sleepers.delete(sleeper)
    removeFrom(byUser, sleeper.wait.userId, sleeper)
    for (const room of sleeper.wait.rooms) removeFrom(byRoom, room, sleeper)
  }

  function alreadyNews(wait: Wait): boolean {
    if (heardTo <= wait.since) return false
    if (wait.since < completeFrom) return true
    return recent.some((row) => row.position > wait.since && concerns(row, wait))
  }

  return {
    wait(wait) {
      if (wait.timeoutMs <= 0 || wait.signal.aborted) return Promise.resolve(false)
      if (alreadyNews(wait)) return Promise.resolve(true)
      return new Promise((resolve) => {
        const end = (news: boolean) => {
          unregister(sleeper)
          cancel()
          wait.signal.removeEventListener('abort', aborted)
          resolve(news)
        }
        const aborted = () => end(false)
        const sleeper: Sleeper = { wait, wake: end }
        const cancel = timers.after(wait.timeoutMs, () => end(false))
        wait.signal.addEventListener('abort', aborted)
        register(sleeper)
      })
    },
    heard(rows, position, complete) {
      heardTo = Math.max(heardTo, position)
      recent.push(...rows)
      if (!complete) completeFrom = position
      if (recent.length > MAX_RECENT_ROWS) {
        recent = recent.slice(-MAX_RECENT_ROWS)
        completeFrom = Math.max(completeFrom, recent[0]!.position - 1)
      }
      if (!complete) for (const sleeper of [...sleepers]) sleeper.wake(true)
      for (const row of rows) {
        const hit = new Set(byRoom.get(row.room ?? -1))
        for (const sleeper of byUser.get(row.user ?? '') ?? []) hit.add(sleeper)
        for (const room of row.audience ?? []) for (const sleeper of byRoom.get(room) ?? []) hit.add(sleeper)
        for (const sleeper of hit)
          if (row.position > sleeper.wait.since && concerns(row, sleeper.wait)) sleeper.wake(true)
      }
    },
    stir(room) {
      for (const sleeper of [...(byRoom.get(room) ?? [])]) sleeper.wake(true)
    },
    get count() {
      return sleepers.size
    },
  }
}

/** Room rows concern those in the room; rows of one user, that user; member events both. */
function concerns(row: SeenRow, wait: Wait): boolean {
  if (row.kind === ROOM_WANTED) return false
  if (row.device != null && row.device !== wait.deviceId) return false
  if (row.user != null && row.user === wait.userId) return true
  if (row.audience !== undefined) return meets(row.audience, wait.rooms)
  return row.room != null && wait.rooms.has(row.room) && (row.user == null || row.kind === 'event')
}

function meets(audience: ReadonlySet<number>, rooms: ReadonlySet<number>): boolean {
  for (const room of audience) if (rooms.has(room)) return true
  return false
}

function addTo<K>(index: Map<K, Set<Sleeper>>, key: K, sleeper: Sleeper): void {
  const found = index.get(key)
  if (found === undefined) index.set(key, new Set([sleeper]))
  else found.add(sleeper)
}

function removeFrom<K>(index: Map<K, Set<Sleeper>>, key: K, sleeper: Sleeper): void {
  const found = index.get(key)
  found?.delete(sleeper)
  if (found?.size === 0) index.delete(key)
}
