import { write } from '../actions/write.ts'
import type { App } from '../app.ts'
import { isObject, type JsonObject, parseJson } from '../core/json.ts'
import {
  type Claim,
  claimTask,
  dueTasks,
  endTask,
  goOnWithTask,
  nearestTask,
  newTask,
  retryTask,
  type TaskRow,
} from '../store/tasks.ts'

/** A task under way. */
export interface Task {
  readonly id: string
  readonly payload: JsonObject
  /** Attempts before this one that failed, one after the other. */
  readonly failures: number
  /** Aborted when the server stops. */
  readonly signal: AbortSignal
}

/** The task goes on after so long, with another payload or the same one. */
export interface Again {
  readonly afterMs: number
  readonly payload?: JsonObject
}

export interface TaskKind {
  readonly kind: string
  /** There is always one of it, from so long after the first start on. */
  readonly firstAfterMs?: number
  /**
   * One step of the work, well within `CLAIM_MS`. Undefined: the task is done. What is thrown is logged, and the step
   * is tried again after a pause that doubles each time. A step may run twice: when the process dies before its end
   * is written.
   */
  run(app: App, task: Task): Promise<Again | undefined>
}

export interface TaskRunner {
  stop(): Promise<void>
}

/** Tasks run at once by one process. */
const MAX_AT_ONCE = 4
/** A process that has a task for longer is taken for dead. */
const CLAIM_MS = 10 * 60_000
const PAUSE_FIRST_MS = 60_000
const PAUSE_MAX_MS = 6 * 3_600_000
/** Pause after the database did not answer. */
const DATABASE_PAUSE_MS = 10_000

interface State {
  readonly app: App
  readonly kinds: ReadonlyMap<string, TaskKind>
  readonly running: Set<Promise<void>>
  readonly stopping: AbortController
  looking: Promise<void> | undefined
  lookAgain: boolean
  cancelTimer: () => void
}

/**
 * Runs tasks when they are due. One timer waits for the nearest, and a row in the log tells of a nearer one. Of several
 * processes on the database each task is run by the one that claims it first.
 */
export async function startTasks(app: App, kinds: readonly TaskKind[]): Promise<TaskRunner> {
  const state: State = {
    app,
    kinds: new Map(kinds.map((kind) => [kind.kind, kind])),
    running: new Set(),
    stopping: new AbortController(),
    looking: undefined,
    lookAgain: false,
    cancelTimer: () => undefined,
  }
  await beginStanding(app, kinds)
  const stopListening = app.live.taskAlarm.onRing(() => look(state))
  look(state)
  return {
    async stop() {
      stopListening()
      state.stopping.abort()
      await state.looking
      state.cancelTimer()
      await Promise.all(state.running)
    },
  }
}

async function beginStanding(app: App, kinds: readonly TaskKind[]): Promise<void> {
  const standing = kinds.flatMap(({ kind, firstAfterMs }) =>
    firstAfterMs === undefined
      ? []
      : newTask({ id: kind, kind, runAt: app.clock.now() + firstAfterMs, payload: '{}' }).writes,
  )
  if (standing.length > 0) await write(app, { guards: [], writes: standing, log: [] })
}

/** Starts what is due and sets the timer, now or right after the look that is under way. */
function look(state: State): void {
  state.lookAgain = true
  state.looking ??= lookAround(state)
}

async function lookAround(state: State): Promise<void> {
  while (state.lookAgain && !state.stopping.signal.aborted) {
    state.lookAgain = false
    state.cancelTimer()
    try {
      await startDue(state)
    } catch (error) {
      state.app.log.warn({ err: error }, 'the tasks could not be read')
      state.cancelTimer = state.app.timers.after(DATABASE_PAUSE_MS, () => look(state))
    }
  }
  state.looking = undefined
}

async function startDue(state: State): Promise<void> {
  const { app, running } = state
  const kinds = [...state.kinds.keys()]
  // Whoever ends makes room and looks again.
  const free = MAX_AT_ONCE - running.size
  if (free <= 0) return
  const due = await dueTasks(app.db, kinds, app.clock.now(), free)
  for (const row of due) if (!state.stopping.signal.aborted) await start(state, row)
  if (due.length > 0) {
    state.lookAgain = true
    return
  }
  const nearest = await nearestTask(app.db, kinds)
  if (nearest === undefined) return
  state.cancelTimer = app.timers.after(Math.max(nearest - app.clock.now(), 0), () => look(state))
}

async function start(state: State, row: TaskRow): Promise<void> {
  const { app } = state
  const claim = { id: row.id, holder: app.live.boot, untilMs: app.clock.now() + CLAIM_MS }
  if ((await write(app, claimTask(row, claim.holder, claim.untilMs))) === undefined) return
  const done = runOnce(state, row, claim)
    .catch((error: unknown) => app.log.warn({ task: row.id, err: error }, 'the end of a task was not written'))
    .finally(() => {
      state.running.delete(done)
      look(state)
    })
  state.running.add(done)
}

async function runOnce({ app, kinds, stopping }: State, row: TaskRow, claim: Claim): Promise<void> {
  const payload = parseJson(row.payload)
  const task = {
    id: row.id,
    payload: isObject(payload) ? payload : {},
    failures: row.attempts,
    signal: stopping.signal,
  }
  let again: Again | undefined
  try {
    again = await kinds.get(row.kind)?.run(app, task)
  } catch (error) {
    const pause = Math.min(PAUSE_FIRST_MS * 2 ** Math.min(row.attempts, 20), PAUSE_MAX_MS)
    app.log.error({ task: row.id, err: error, pause }, 'a task failed and is tried again')
    await write(app, retryTask(claim, app.clock.now() + pause))
    return
  }
  const text = again?.payload === undefined ? row.payload : JSON.stringify(again.payload)
  await write(app, again === undefined ? endTask(claim) : goOnWithTask(claim, app.clock.now() + again.afterMs, text))
}
