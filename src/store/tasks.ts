import type { Batch, Database } from '../db/database.ts'
import { type Sql, sql, textList } from '../db/sql.ts'

/** Work that is due at a time. */
export interface NewTask {
  /** Names it: a task that is there already stays as it is. */
  readonly id: string
  readonly kind: string
  /** Milliseconds since 1970. */
  readonly runAt: number
  /** JSON text of an object. */
  readonly payload: string
}

export interface TaskRow {
  readonly id: string
  readonly kind: string
  readonly run_at: number
  readonly holder: string | null
  readonly attempts: number
  readonly payload: string
}

/** The kind of log row that tells the runners of a new task. */
export const TASK = 'task'

/** The kind of task that leaves the rooms of a closed account. */
export const LEAVE_ROOMS = 'leave_rooms'

export function leaveRoomsTask(userId: string, runAt: number): NewTask {
  return { id: `${LEAVE_ROOMS} ${userId}`, kind: LEAVE_ROOMS, runAt, payload: JSON.stringify({ userId }) }
}

/** A task, and what tells of it, as part of a batch. */
export function newTask(task: NewTask): Pick<Batch, 'writes' | 'log'> {
  const { id, kind, runAt, payload } = task
  return {
    writes: [
      sql`INSERT INTO tasks (id, kind, run_at, payload) VALUES (${id}, ${kind}, ${runAt}, ${payload})
        ON CONFLICT (id) DO NOTHING`,
    ],
    log: [{ kind: TASK, subject: kind }],
  }
}

/**
 * A task that is due then, or earlier where it is there already. Whoever is at work on it may have looked before this:
 * its claim ends, and the task is due again at once.
 */
export function taskDueBy(task: NewTask, nowMs: number): Pick<Batch, 'writes' | 'log'> {
  const { id, kind, runAt, payload } = task
  return {
    writes: [
      sql`INSERT INTO tasks (id, kind, run_at, payload) VALUES (${id}, ${kind}, ${runAt}, ${payload})
        ON CONFLICT (id) DO UPDATE SET holder = NULL,
          run_at = CASE WHEN tasks.holder IS NULL THEN excluded.run_at ELSE CAST(${nowMs} AS BIGINT) END
        WHERE tasks.holder IS NOT NULL OR tasks.run_at > excluded.run_at`,
    ],
    log: [{ kind: TASK, subject: kind }],
  }
}

/** When the nearest task of the kinds is due; undefined: there is none. */
export async function nearestTask(db: Database, kinds: readonly string[]): Promise<number | undefined> {
  const rows = await db.read<{ run_at: number }>(
    sql`SELECT run_at FROM tasks WHERE kind IN ${textList(kinds)} ORDER BY run_at LIMIT 1`,
  )
  return rows[0]?.run_at
}

export function dueTasks(db: Database, kinds: readonly string[], nowMs: number, limit: number): Promise<TaskRow[]> {
  return db.read(sql`SELECT id, kind, run_at, holder, attempts, payload FROM tasks
    WHERE run_at <= ${nowMs} AND kind IN ${textList(kinds)} ORDER BY run_at LIMIT ${limit}`)
}

/**
 * Takes a due task for a while: until then it is due for nobody, and afterwards for everybody again, should the holder
 * have died. Falls when another process was faster.
 */
export function claimTask(task: TaskRow, holder: string, untilMs: number): Batch {
  return {
    guards: [taskIs(task.id, task.run_at, task.holder)],
    writes: [
      sql`UPDATE tasks SET run_at = ${untilMs}, holder = ${holder}, attempts = attempts + 1 WHERE id = ${task.id}`,
    ],
    log: [],
  }
}

/** The claim under which a task was run. */
export interface Claim {
  readonly id: string
  readonly holder: string
  readonly untilMs: number
}

/** Falls when the claim ran out and another process has the task. */
export function endTask(claim: Claim): Batch {
  return byClaim(claim, sql`DELETE FROM tasks WHERE ${isClaimed(claim)}`)
}

/** The task goes on later; its attempts count anew. */
export function goOnWithTask(claim: Claim, runAt: number, payload: string): Batch {
  return byClaim(
    claim,
    sql`UPDATE tasks SET run_at = ${runAt}, holder = NULL, attempts = 0, payload = ${payload}
      WHERE ${isClaimed(claim)}`,
  )
}

/** The task failed and is tried again later. */
export function retryTask(claim: Claim, runAt: number): Batch {
  return byClaim(claim, sql`UPDATE tasks SET run_at = ${runAt}, holder = NULL WHERE ${isClaimed(claim)}`)
}

/** Beside the guard: what takes the claim away may stand in the same group, which sees the guard hold. */
function isClaimed({ id, holder, untilMs }: Claim): Sql {
  return sql`id = ${id} AND holder = ${holder} AND run_at = ${untilMs}`
}

function byClaim({ id, holder, untilMs }: Claim, change: Sql): Batch {
  return { guards: [taskIs(id, untilMs, holder)], writes: [change], log: [] }
}

function taskIs(id: string, runAt: number, holder: string | null) {
  const query = sql`SELECT run_at, holder FROM tasks WHERE id = ${id}`
  return { about: `task:${id}`, query, expect: [{ run_at: runAt, holder }] }
}
