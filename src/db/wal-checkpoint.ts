import { createRequire } from 'node:module'
import { Worker } from 'node:worker_threads'

export interface Checkpointer {
  /** Closes the worker's connection. */
  close(): Promise<void>
}

const INTERVAL_MS = 500
/** From here on a checkpoint waits for readers so that the log starts over. In bytes. */
const WAL_CAP = 64 * 1024 * 1024

/** Copies the write-ahead log into the database file, in a thread with its own connection: the loop never waits for it. */
export function startCheckpointer(databasePath: string): Checkpointer {
  const worker = new Worker(SOURCE, {
    eval: true,
    workerData: { library: libraryPath(), databasePath, interval: INTERVAL_MS, cap: WAL_CAP },
    execArgv: [],
  })
  worker.unref()
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  // A checkpoint that fails (a full disk) is tried again; a worker that died is replaced by the one of the next start,
  // and until then the log grows.
  worker.on('error', () => undefined)
  return {
    close() {
      worker.ref()
      worker.postMessage('close')
      return ended
    },
  }
}

/** Plain text, so that it runs from the sources and from one bundled file alike. */
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads')
const { statSync } = require('node:fs')
const Database = require(workerData.library)
const db = new Database(workerData.databasePath, { fileMustExist: true, timeout: 50 })
db.pragma('synchronous = NORMAL')
db.pragma('wal_autocheckpoint = 0')
let checkpointed = -1
function tick() {
  try {
    const version = db.pragma('data_version', { simple: true })
    if (version === checkpointed) return
    const size = statSync(workerData.databasePath + '-wal').size
    const [result] = db.pragma('wal_checkpoint(PASSIVE)')
    if (result.busy === 0 && result.log === result.checkpointed) checkpointed = version
    if (size >= workerData.cap) db.pragma('wal_checkpoint(TRUNCATE)')
  } catch {}
}
const timer = setInterval(tick, workerData.interval)
parentPort.on('message', () => {
  clearInterval(timer)
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
