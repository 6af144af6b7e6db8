import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import { sql } from '../db/sql.ts'
import type { NewTask } from './tasks.ts'

/** The kind of task that ends a room. It stays for a while when it is done, with its outcome. */
export const ROOM_ENDING = 'end_room'
/** Sorts behind whatever may follow the beginning of an id. */
const LAST = '\u{10ffff}'
const LISTED_MAX = 100

export interface RoomEndingRow {
  readonly delete_id: string
  readonly room_id: string
  /** Undefined while it is under way. */
  readonly outcome: JsonObject | undefined
}

/** Task ids begin with the room, so that those of a room are found. */
export function roomEndingTask(roomId: string, deleteId: string, payload: JsonObject, runAt: number): NewTask {
  return { id: `${ROOM_ENDING} ${roomId} ${deleteId}`, kind: ROOM_ENDING, runAt, payload: JSON.stringify(payload) }
}

export async function endingsOfRoom(db: Database, roomId: string): Promise<RoomEndingRow[]> {
  const beginning = `${ROOM_ENDING} ${roomId} `
  const rows = await db.read<{ id: string; payload: string }>(sql`SELECT id, payload FROM tasks
    WHERE kind = ${ROOM_ENDING} AND id > ${beginning} AND id < ${beginning + LAST} ORDER BY run_at LIMIT ${LISTED_MAX}`)
  return rows.map(endingOf)
}

export async function endingsById(db: Database, deleteId: string): Promise<RoomEndingRow[]> {
  const rows = await db.read<{ id: string; payload: string }>(sql`SELECT id, payload FROM tasks
    WHERE kind = ${ROOM_ENDING}`)
  return rows.map(endingOf).filter((row) => row.delete_id === deleteId)
}

function endingOf({ id, payload }: { id: string; payload: string }): RoomEndingRow {
  const [, room_id = '', delete_id = ''] = id.split(' ')
  const value = parseJson(payload)
  const outcome = isObject(value) ? own(value, 'outcome') : undefined
  return { delete_id, room_id, outcome: isObject(outcome) ? outcome : undefined }
}
