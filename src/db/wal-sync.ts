import { closeSync, existsSync, fdatasync, fsyncSync, openSync } from 'node:fs'
import { dirname } from 'node:path'

/** Makes what stands in the write-ahead log survive a power cut, without blocking the loop. */
export interface WalSync {
  /**
   * Resolves once a sync that began after this call has ended: one is under way at a time, who comes later waits for
   * the next.
   */
  synced(): Promise<void>
  /** Resolves once the sync under way has ended; at once if there is none. */
  idle(): Promise<void>
  /** Only when no sync is awaited any more. */
  close(): void
}

export type Fdatasync = (fd: number, done: (error: Error | null) => void) => void

/**
 * Opens the `-wal` file of a database that has one. `onFailure` is called when a sync failed: what was written since
 * the last one may be lost although it can be read, so that the process has to end.
 */
export function openWalSync(
  databasePath: string,
  onFailure: (error: Error) => void,
  sync: Fdatasync = fdatasync,
): WalSync {
  const walPath = `${databasePath}-wal`
  if (!existsSync(walPath)) throw new Error(`There is no ${walPath}`)
  syncDirectory(dirname(databasePath))
  const fd = openSync(walPath, 'r')
  let waiting: (() => void)[] = []
  const idlers: (() => void)[] = []
  let busy = false
  const next = (): void => {
    if (waiting.length === 0) return
    busy = true
    const served = waiting
    waiting = []
    sync(fd, (error) => {
      busy = false
      if (error) return onFailure(error)
      for (const resolve of served) resolve()
      for (const resolve of idlers.splice(0)) resolve()
      next()
    })
  }
  return {
    synced: () =>
      new Promise((resolve) => {
        waiting.push(resolve)
        if (!busy) next()
      }),
    idle: () => (busy ? new Promise((resolve) => idlers.push(resolve)) : Promise.resolve()),
    close: () => closeSync(fd),
  }
}

/** The names of files made just now are durable only after this. */
function syncDirectory(directory: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(directory, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
