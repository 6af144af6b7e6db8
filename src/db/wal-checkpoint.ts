import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'
import type { Timers } from '../live/time.ts'

export interface Checkpointer {
  /** Closes the worker's connection. */
  close(): Promise<void>
}

const INTERVAL_MS = 500
/** From here on a checkpoint waits for readers so that the log starts over. In bytes. */
const WAL_CAP = 64 * 1024 * 1024

const RESTART_WORKER_MS = 1000

/**
 * Copies the write-ahead log into the database file, in a thread with its own connection: the loop never waits for it.
 * A checkpoint that fails (a full disk) is tried again. `onSyncFailure` is called when the database file could not be
 * synced: a second try would succeed without the lost pages. The thread starts a little later: a command is done by
 * then.
 */
export function startCheckpointer(path: string, timers: Timers, onSyncFailure: (error: Error) => void): Checkpointer {
  let closing = false
  let cancel = (): void => undefined
  let worker: Worker | undefined
  let ended = Promise.resolve()
  const start = (): void => {
    const workerData = { library: libraryPath(), path, cap: WAL_CAP }
    const thread = new Worker(SOURCE, { eval: true, workerData, execArgv: [] })
    worker = thread
    thread.unref()
    thread.on('message', (message: string) => onSyncFailure(new Error(message)))
    // A thread that died says so with its exit, too.
    thread.on('error', () => undefined)
    ended = new Promise((resolve) => thread.once('exit', () => resolve()))
    const next = (): void => {
      thread.postMessage('checkpoint')
      cancel = timers.after(INTERVAL_MS, next)
    }
    next()
    void ended.then(() => {
      cancel()
      if (!closing) cancel = timers.after(RESTART_WORKER_MS, start)
    })
  }
  cancel = timers.after(INTERVAL_MS, start)
  return {
    close() {
      closing = true
      cancel()
      worker?.ref()
      worker?.postMessage('close')
      return ended
    },
  }
}

/** Plain text, so that it runs from the sources and from one bundled file alike. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads')
const Database = require(workerData.library)
const db = new Database(workerData.path, { fileMustExist: true, timeout: 50 })
db.pragma('synchronous = NORMAL')
db.pragma('wal_autocheckpoint = 0')
const pageSize = db.pragma('page_size', { simple: true })
let done = -1
function checkpoint() {
  try {
    const version = db.pragma('data_version', { simple: true })
    if (version === done) return
    const [result] = db.pragma('wal_checkpoint(PASSIVE)')
    if (result.busy === 0 && result.log === result.checkpointed) done = version
    if (result.log * pageSize >= workerData.cap) db.pragma('wal_checkpoint(RESTART)')
  } catch (error) {
    if (String(error.code).endsWith('FSYNC')) parentPort.postMessage(error.message)
  }
}
parentPort.on('message', (message) => {
  if (message !== 'close') return checkpoint()
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
