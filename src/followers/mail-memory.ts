import { isObject, parseJson } from '../core/json.ts'

/** Of a room that a mail told of, the next mail comes after so long: longer each time, until it is read. */
const PAUSE_FIRST_MS = 3_600_000
const PAUSE_GROWTH = 4
const PAUSE_MAX_MS = 24 * 3_600_000

/** What a pusher of the kind `email` knows of its last mails. Times in milliseconds since 1970. */
export interface Memory {
  /** By number; a mail told of each, and nobody has read there since. */
  readonly rooms: Map<number, { readonly untilMs: number; readonly pauseMs: number }>
  /** Mails that the mail server refused for good, one after the other. */
  refusals: number
  notBeforeMs: number
}

/** A mail tells of the rooms. */
export function pauseRooms({ rooms }: Memory, told: ReadonlySet<number>, nowMs: number): void {
  for (const room of told) {
    const before = rooms.get(room)
    const pauseMs = before === undefined ? PAUSE_FIRST_MS : Math.min(before.pauseMs * PAUSE_GROWTH, PAUSE_MAX_MS)
    rooms.set(room, { untilMs: nowMs + pauseMs, pauseMs })
  }
}

/** Rooms that were quiet for a day after their pause are forgotten. */
export function memoryText({ rooms, refusals, notBeforeMs }: Memory, nowMs: number): string {
  const kept = [...rooms].filter(([, { untilMs }]) => untilMs + PAUSE_MAX_MS > nowMs)
  return JSON.stringify({
    rooms: kept.map(([room, { untilMs, pauseMs }]) => [room, untilMs, pauseMs]),
    refusals,
    notBeforeMs,
  })
}

/** null: it has sent nothing yet. */
export function memoryIn(text: string | null): Memory {
  const memory: Memory = { rooms: new Map(), refusals: 0, notBeforeMs: 0 }
  const stored = text === null ? undefined : parseJson(text)
  if (!isObject(stored)) return memory
  const { rooms, refusals, notBeforeMs } = stored
  for (const entry of Array.isArray(rooms) ? rooms : []) {
    const [room, untilMs, pauseMs] = Array.isArray(entry) ? entry.map(Number) : []
    if (room !== undefined && untilMs !== undefined && pauseMs !== undefined)
      memory.rooms.set(room, { untilMs, pauseMs })
  }
  return { ...memory, refusals: Number(refusals ?? 0), notBeforeMs: Number(notBeforeMs ?? 0) }
}
