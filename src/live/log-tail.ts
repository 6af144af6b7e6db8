import type { Database } from '../db/database.ts'
import { logRows, type StoredLogRow } from '../store/log.ts'

/** The newest rows of the log in memory: all who follow it read the same ones, one after the other. */
export interface LogTail {
  /** Rows with positions in (since, to], oldest first, at most `limit`. `to` is a safe position. */
  rows(since: number, to: number, limit: number): Promise<readonly StoredLogRow[]>
}

/** More than come between two looks of those who look now and then. */
const MAX_ROWS = 2_000

interface Stretch {
  readonly since: number
  readonly to: number
}

export function createLogTail(db: Database): LogTail {
  /** Complete from `since` to `to`. */
  let tail: Stretch & { readonly rows: readonly StoredLogRow[] } = { since: 0, to: 0, rows: [] }
  let reading: (Stretch & { readonly done: Promise<unknown> }) | undefined

  async function read(since: number, to: number, limit: number): Promise<readonly StoredLogRow[]> {
    const asked = logRows(db, since, to, limit)
    const mine = { since, to, done: asked.catch(() => undefined) }
    reading = mine
    try {
      const rows = await asked
      if (rows.length < limit) keep(since, to, rows)
      return rows
    } finally {
      if (reading === mine) reading = undefined
    }
  }

  function keep(since: number, to: number, rows: readonly StoredLogRow[]): void {
    if (to <= tail.to) return
    const follows = since >= tail.since && since <= tail.to
    const all = follows ? [...tail.rows, ...rows.filter(({ position }) => position > tail.to)] : rows
    const dropped = all.length > MAX_ROWS ? all[all.length - MAX_ROWS - 1] : undefined
    tail = {
      since: dropped?.position ?? (follows ? tail.since : since),
      to,
      rows: dropped === undefined ? all : all.slice(-MAX_ROWS),
    }
  }

  return {
    async rows(since, to, limit) {
      if (!covers(tail, since, to) && reading !== undefined && covers(reading, since, to)) await reading.done
      if (!covers(tail, since, to)) return read(since, to, limit)
      const from = firstAfter(tail.rows, since)
      return tail.rows.slice(from, Math.min(firstAfter(tail.rows, to), from + limit))
    },
  }
}

function covers(stretch: Stretch, since: number, to: number): boolean {
  return stretch.since <= since && to <= stretch.to
}

/** The index of the first row above the position. */
function firstAfter(rows: readonly StoredLogRow[], position: number): number {
  let [low, high] = [0, rows.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (rows[middle]!.position <= position) low = middle + 1
    else high = middle
  }
  return low
}
