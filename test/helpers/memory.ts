import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const MEMORY = '/dev/shm'
/** Several PostgreSQL, each with its programs, and what the tests write. */
const NEEDED_BYTES = 2 ** 30

/** A directory in memory, where there is one with enough room that lets programs run. */
export function inMemory(): string | undefined {
  try {
    const { bavail, bsize } = statfsSync(MEMORY)
    return bavail * bsize > NEEDED_BYTES && runsPrograms(MEMORY) ? MEMORY : undefined
  } catch {
    return undefined
  }
}

function runsPrograms(directory: string): boolean {
  const own = mkdtempSync(join(directory, 'dendrite-probe-'))
  try {
    writeFileSync(join(own, 'probe'), '#!/bin/sh\n', { mode: 0o755 })
    execFileSync(join(own, 'probe'))
    return true
  } catch {
    return false
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
}

/** Removes what runs that were killed have left: directories of this name with the number of a process that is gone. */
export function sweep(directory: string, name: string): void {
  for (const entry of readdirSync(directory).filter((one) => one.startsWith(name)))
    if (!isRunning(Number(entry.slice(name.length)))) rmSync(join(directory, entry), { recursive: true, force: true })
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
