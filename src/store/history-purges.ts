import { isObject, type JsonObject, own, parseJson } from '../core/json.ts'
import type { Database } from '../db/database.ts'
import { sql } from '../db/sql.ts'
import type { HistoryPlace } from './events.ts'
import type { NewTask } from './tasks.ts'

/** The kind of task that takes the history of a room. It stays for a while when it is done. */
export const PURGE_HISTORY = 'purge_history'

/** What an administrator wants gone. */
export interface HistoryPurge {
  readonly room: number
  /** What was looked at, and where it ends. */
  readonly after: HistoryPlace
  readonly before: HistoryPlace
  /** Also what users of this server have said, of which nobody else may have a copy. */
  readonly localToo: boolean
  readonly done: boolean
}

export function historyPurgeTask(purgeId: string, purge: HistoryPurge, runAt: number): NewTask {
  return { id: `${PURGE_HISTORY} ${purgeId}`, kind: PURGE_HISTORY, runAt, payload: JSON.stringify(purge) }
}

export function historyPurgeOf(payload: JsonObject): HistoryPurge {
  return payload as unknown as HistoryPurge
}

/** Whether it is done; undefined: there is none of that name, or it was done long ago. */
export async function historyPurgeIsDone(db: Database, purgeId: string): Promise<boolean | undefined> {
  const rows = await db.read<{ payload: string }>(
    sql`SELECT payload FROM tasks WHERE id = ${`${PURGE_HISTORY} ${purgeId}`}`,
  )
  const value = rows[0] && parseJson(rows[0].payload)
  return isObject(value) ? own(value, 'done') === true : undefined
}
