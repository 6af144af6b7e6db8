import { isObject, type JsonObject, parseJson } from '../core/json.ts'
import { lifetimeOf, RETENTION, type RetentionRules } from '../core/retention.ts'
import type { Database } from '../db/database.ts'
import { intList, type Sql, sql } from '../db/sql.ts'

/** How long the messages of these rooms are kept, in milliseconds; rooms that keep them for ever are left out. */
export async function lifetimesOf(
  db: Database,
  rules: RetentionRules & { readonly enabled: boolean },
  rooms: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  const lifetimes = new Map<number, number>()
  if (!rules.enabled || rooms.length === 0) return lifetimes
  const rows = await db.read<{ room: number; content: string }>(sql`SELECT s.room, e.content
    FROM current_state s JOIN events e ON e.event = s.event
    WHERE s.room IN ${intList(rooms)} AND s.type = ${RETENTION} AND s.state_key = ''`)
  const contents = new Map<number, JsonObject>()
  for (const { room, content } of rows) {
    const value = parseJson(content)
    if (isObject(value)) contents.set(room, value)
  }
  for (const room of rooms) {
    const lifetime = lifetimeOf(rules, contents.get(room))
    if (lifetime !== undefined) lifetimes.set(room, lifetime)
  }
  return lifetimes
}

/** The events that nothing follows yet, of these rooms. */
export async function endsOfRooms(db: Database, rooms: readonly number[]): Promise<Set<number>> {
  const rows = await db.read<{ event: number }>(sql`SELECT event FROM heads WHERE room IN ${intList(rooms)}`)
  return new Set(rows.map((row) => row.event))
}

/** How long the room keeps its messages may have changed: all of it is looked at again. */
export function retentionChanged(room: number): Sql {
  return sql`INSERT INTO retention_rooms (room) VALUES (${room})
    ON CONFLICT (room) DO UPDATE SET due_ts = 0, purged_ts = -1, late = retention_rooms.late + 1`
}

/** The same for a room whose state came whole. */
export function retentionTakenOver(room: number): Sql {
  return sql`INSERT INTO retention_rooms (room) SELECT s.room FROM current_state s
      WHERE s.room = ${room} AND s.type = ${RETENTION} AND s.state_key = ''
    ON CONFLICT (room) DO UPDATE SET due_ts = 0, purged_ts = -1, late = retention_rooms.late + 1`
}
