import type { App } from '../app.ts'
import type { EventRow } from '../store/events.ts'
import { endsOfRooms, lifetimesOf } from '../store/lifetimes.ts'

/** What of an event decides whether its room still keeps it. */
export type Aged = Pick<EventRow, 'event' | 'room' | 'state_key' | 'origin_server_ts'>

/**
 * Tells messages that their rooms keep no longer (MSC1763): nobody is shown them, whether their content is gone from
 * the database already or not. State stays, and so do the ends of a room.
 */
export async function expiredIn(app: App, rooms: readonly number[]): Promise<(row: Aged) => boolean> {
  const { retention } = app.config.room_server
  const lifetimes = await lifetimesOf(app.db, retention, [...new Set(rooms)])
  if (lifetimes.size === 0) return () => false
  const ends = await endsOfRooms(app.db, [...lifetimes.keys()])
  const nowMs = app.clock.now()
  return (row) => {
    const lifetime = lifetimes.get(row.room)
    if (lifetime === undefined || row.state_key !== null || row.origin_server_ts >= nowMs - lifetime) return false
    return !ends.has(row.event)
  }
}

/** Those of the events that their rooms still keep. */
export async function keptEvents<T extends Aged>(app: App, rows: readonly T[]): Promise<T[]> {
  const isExpired = await expiredIn(
    app,
    rows.map((row) => row.room),
  )
  return rows.filter((row) => !isExpired(row))
}
