import { pruneLog } from '../actions/prune-log.ts'
import type { App } from '../app.ts'
import type { JsonObject } from '../core/json.ts'
import { NEWS_ROWS } from '../store/log.ts'
import type { Again, Task, TaskKind } from './run.ts'

const EVERY_MS = 6 * 3_600_000
const FIRST_AFTER_MS = 10 * 60_000
/** Between two batches, so that others come to their turn. */
const BREATH_MS = 50
/** Beyond what a sync reads, for those that run while rows go. */
const KEPT_ROWS = 2 * NEWS_ROWS
/** About as many marks are kept, whatever the configured age: they stand further apart. */
const MARKS = 400

/** Where the log ended at a time: its rows themselves say nothing of when they were written. */
interface Mark {
  readonly position: number
  readonly ts: number
}

/** Deletes the rows of the log that are older than `global.database.log_max_age`. */
export const pruneLogTask: TaskKind = {
  kind: 'prune_log',
  firstAfterMs: FIRST_AFTER_MS,
  run: (app, task) => pruneOnce(app, task, KEPT_ROWS),
}

export async function pruneOnce(app: App, { payload }: Pick<Task, 'payload'>, keptRows: number): Promise<Again> {
  const nowMs = app.clock.now()
  const { log_max_age: maxAgeMs } = app.config.global.database
  const marks = readMarks(payload)
  const old = marks.filter(({ ts }) => ts <= nowMs - maxAgeMs)
  const upTo = old.at(-1)?.position
  if (upTo !== undefined && (await pruneLog(app, upTo, keptRows))) return { afterMs: BREATH_MS }
  const kept = [...old.slice(-1), ...marks.slice(old.length)]
  const passedMs = nowMs - (kept.at(-1)?.ts ?? nowMs)
  // Of a clock that was set back the last mark tells nothing.
  if (kept.length === 0 || passedMs < 0 || passedMs >= maxAgeMs / MARKS)
    kept.push({ position: app.db.safePosition(), ts: nowMs })
  return { afterMs: EVERY_MS, payload: { marks: kept.map((mark) => ({ ...mark })) } }
}

function readMarks(payload: JsonObject): readonly Mark[] {
  return (payload.marks ?? []) as unknown as readonly Mark[]
}
