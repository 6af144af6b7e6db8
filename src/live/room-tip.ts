import type { AuthEvent, EventId, RoomId } from '../core/event.ts'
import type { RoomVersion } from '../core/room-version.ts'
import type { Batch } from '../db/database.ts'
import type { Timers } from './time.ts'

/** An event of the room's state: what the rules read of it, and its number. */
export interface StateEntry {
  readonly event: number
  readonly value: AuthEvent
}

/**
 * The growing end of a room as this process knows it, queued batches included. It is a cache that the guard on the
 * heads checks at every commit: when another process was faster, the tip is dropped and read afresh.
 */
export interface RoomTip {
  readonly room: number
  readonly roomId: RoomId
  readonly version: RoomVersion
  readonly heads: readonly { readonly event: number; readonly eventId: EventId }[]
  /** Of the heads: the highest place in the order of history, and the highest depth. */
  readonly topo: number
  readonly depth: number
  /**
   * The snapshots from the state after the heads down to the full one, newest first; `number` counts the room's
   * changes.
   */
  readonly snapshots: readonly { readonly snapshot: number; readonly number: number }[]
  /** State entries read so far, by state map key; null: the room has none. */
  readonly state: Map<string, StateEntry | null>
  /** The last batch queued for the room, which the next one builds on. */
  readonly batch: Batch | undefined
  /** The reading of the database that this tip grew from: when one batch falls, all tips of its lineage are wrong. */
  readonly lineage: Lineage
}

export interface Lineage {
  /** A batch fell: nobody builds on it any more, also not who is building just now. */
  fallen: boolean
}

/** Entries that a tip may gather before it is dropped to free memory. */
const MAX_ENTRIES = 2_000
/** Tips kept at the most: the least recently used goes first. */
const MAX_TIPS = 500

/** The rooms being written to: one writer at a time in each, in order of arrival. */
export interface RoomTips {
  /** Runs `body` alone in the room. It is handed the tip, if known, and answers with the one to keep. */
  exclusively<T>(
    room: number,
    body: (tip: RoomTip | undefined) => Promise<{ tip: RoomTip | undefined; result: T }>,
  ): Promise<T>
  /** Forgets what is known of the room, if it grew from this lineage, of which a batch fell. */
  drop(room: number, lineage: Lineage): void
  /** Another process was refused several times in the room: ours writes nothing there for a moment. */
  giveWay(room: number): void
}

/** The log row by which a process asks for a room; `subject` says which process. */
export const ROOM_WANTED = 'room_wanted'

/** How long a room is left to another process that asked for it. */
const GIVE_WAY_MS = 100

export function createRoomTips(timers: Timers): RoomTips {
  const tips = new Map<number, RoomTip>()
  const queues = new Map<number, Promise<unknown>>()
  /** Rooms left to others for a moment, each with the end of it. */
  const pauses = new Map<number, Promise<void>>()

  async function run<T>(
    room: number,
    body: (tip: RoomTip | undefined) => Promise<{ tip: RoomTip | undefined; result: T }>,
  ) {
    await pauses.get(room)
    const known = tips.get(room)
    try {
      const { tip, result } = await body(known)
      tips.delete(room)
      if (tip !== undefined && !tip.lineage.fallen && tip.state.size <= MAX_ENTRIES) tips.set(room, tip)
      const oldest = tips.keys().next()
      if (tips.size > MAX_TIPS && !oldest.done) tips.delete(oldest.value)
      return result
    } catch (error) {
      tips.delete(room)
      throw error
    }
  }

  return {
    exclusively(room, body) {
      const before = queues.get(room) ?? Promise.resolve()
      const mine = before.then(() => run(room, body))
      const settled = mine.catch(() => undefined)
      queues.set(room, settled)
      void settled.then(() => {
        if (queues.get(room) === settled) queues.delete(room)
      })
      return mine
    },
    drop(room, lineage) {
      lineage.fallen = true
      if (tips.get(room)?.lineage === lineage) tips.delete(room)
    },
    giveWay(room) {
      if (!tips.has(room) || pauses.has(room)) return
      tips.delete(room)
      pauses.set(
        room,
        timers.sleep(GIVE_WAY_MS).then(() => void pauses.delete(room)),
      )
    },
  }
}
