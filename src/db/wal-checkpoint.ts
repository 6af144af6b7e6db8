import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { Timers } from '../live/time.ts'

export interface Checkpointer {
  /** The log has grown: it is copied within a moment. */
  written(): void
  /**
   * Set while the log starts over: who writes waits for its end. The first to write into a log that starts over syncs
   * it within the call, and so does a checkpoint that keeps writers out: both are for the thread.
   */
  restarting(): Promise<void> | undefined
  /** Closes the worker's connection. */
  close(): Promise<void>
}

const INTERVAL_MS = 500
/** Without writes for so long the thread ends: it holds ten megabytes. */
const IDLE_MS = 10_000
/** From here on the log starts over, though somebody writes all the time. In bytes. */
const WAL_CAP = 64 * 1024 * 1024

/**
 * Copies the write-ahead log into the database file, in a thread with its own connection: the loop never waits for it.
 * When all is copied and nobody writes, the thread lets the log start over before anybody else does.
 * A checkpoint that fails (a full disk) is tried again. `onSyncFailure` is called when the database file could not be
 * synced: a second try would succeed without the lost pages. The thread starts a little after the first write: a
 * command is done by then.
 */
export function startCheckpointer(path: string, timers: Timers, onSyncFailure: (error: Error) => void): Checkpointer {
  let closing = false
  let thread: Worker | undefined
  let ended = Promise.resolve()
  let cancel: (() => void) | undefined
  /** Something is written that no checkpoint has seen. */
  let due = false
  let idleMs = 0
  const writers = writersHold()

  function start(): Worker {
    const workerData = { library: libraryPath(), path, cap: WAL_CAP }
    const started = new Worker(SOURCE, { eval: true, workerData, execArgv: [], resourceLimits: SMALL_HEAP })
    started.unref()
    started.on('message', ({ failure, restart }: { failure?: string; restart?: 'wanted' | 'done' }) => {
      if (failure !== undefined) onSyncFailure(new Error(failure))
      else if (restart === 'wanted') writers.hold(started)
      else if (restart === 'done') writers.letGo(started)
      else schedule()
    })
    // A thread that died says so with its exit, too.
    started.on('error', () => schedule())
    ended = new Promise((resolve) => {
      started.once('exit', () => {
        if (thread === started) thread = undefined
        writers.letGo(started)
        resolve()
      })
    })
    return started
  }

  function tick(): void {
    cancel = timers.after(INTERVAL_MS, tick)
    idleMs = due ? 0 : idleMs + INTERVAL_MS
    if (due) {
      due = false
      thread ??= start()
      thread.postMessage('checkpoint')
    } else if (idleMs >= IDLE_MS) stop()
  }

  function stop(): void {
    cancel?.()
    cancel = undefined
    thread?.ref()
    thread?.postMessage('close')
    thread = undefined
  }

  function schedule(): void {
    due = true
    if (!closing) cancel ??= timers.after(INTERVAL_MS, tick)
  }

  return {
    written: schedule,
    restarting: writers.held,
    close() {
      closing = true
      stop()
      return ended
    },
  }
}

/** Keeps writers back while a thread lets the log start over. */
function writersHold() {
  let held: { readonly by: Worker; readonly done: Promise<void>; readonly end: () => void } | undefined
  return {
    held: () => held?.done,
    /** Nobody is writing now: a transaction begins and ends within one turn of this loop. */
    hold(worker: Worker): void {
      held?.end()
      let end = (): void => undefined
      const done = new Promise<void>((resolve) => {
        end = resolve
      })
      held = { by: worker, done, end }
      worker.postMessage('restart')
    },
    letGo(worker: Worker): void {
      if (held?.by !== worker) return
      held.end()
      held = undefined
    },
  }
}

/** The thread runs a dozen lines; by default it would reserve as much as the whole server. */
const SMALL_HEAP = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 }

/** Plain text, so that it runs from the sources and from one bundled file alike. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.library)
const db = new Database(workerData.path, { fileMustExist: true, timeout: 50 })
db.pragma('synchronous = NORMAL')
db.pragma('wal_autocheckpoint = 0')
const pageSize = db.pragma('page_size', { simple: true })
// Changes with what others write, not with what is written here.
const dataVersion = () => db.pragma('data_version', { simple: true })
let done = -1
function checkpoint() {
  const version = dataVersion()
  if (version === done) return
  const [result] = db.pragma('wal_checkpoint(PASSIVE)')
  if (result.busy === 0 && result.log === result.checkpointed) done = version
  else parentPort.postMessage({})
  const quiet = done === version && dataVersion() === version
  if (quiet || result.log * pageSize >= workerData.cap) parentPort.postMessage({ restart: 'wanted' })
}
function restart() {
  db.pragma('wal_checkpoint(RESTART)')
  // The number stays what it is: what counts is the write.
  db.transaction(() => db.pragma('user_version = ' + db.pragma('user_version', { simple: true }))).immediate()
}
function attempt(work) {
  try {
    work()
  } catch (error) {
    parentPort.postMessage(String(error.code).endsWith('FSYNC') ? { failure: error.message } : {})
  }
}
parentPort.on('message', (message) => {
  if (message === 'checkpoint') return attempt(checkpoint)
  if (message === 'restart') {
    attempt(restart)
    return parentPort.postMessage({ restart: 'done' })
  }
  db.close()
  parentPort.close()
})
`

/** Where this process loaded better-sqlite3 from: the worker's text has no place of its own to resolve it from. */
function libraryPath(): string {
  const here = process.argv[1] ?? `${process.cwd()}/x`
  const require = createRequire(here)
  const loaded = Object.keys(require.cache).find((path) => /better-sqlite3[\\/]lib[\\/]index\.js$/.test(path))
  return loaded ?? require.resolve('better-sqlite3')
}
