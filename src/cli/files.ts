import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { CommandError, EXIT } from './exit-codes.ts'

/**
 * Writes a file so that it is there whole or not at all. An existing file is left alone unless `force`.
 * Errors: CommandError with exit code 4 when it exists.
 */
export function writeNewFile(path: string, content: string, options: { mode: number; force?: boolean }): void {
  if (!options.force) refuseExisting([path])
  const draft = `${path}.${process.pid}.new`
  try {
    const file = openSync(draft, 'wx', options.mode)
    try {
      writeSync(file, content)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (options.force) renameSync(draft, path)
    else linkNew(draft, path)
    syncDirectory(dirname(path))
  } finally {
    rmSync(draft, { force: true })
  }
}

/** Fails when one of the files exists, before any of them is written. Errors: CommandError with exit code 4. */
export function refuseExisting(paths: readonly string[]): void {
  for (const path of paths) {
    if (existsSync(path)) throw exists(path)
  }
}

function linkNew(draft: string, path: string): void {
  try {
    linkSync(draft, path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') throw exists(path)
    // Some file systems know no links; the check above has to do there.
    if (code !== 'EPERM' && code !== 'ENOTSUP') throw error
    renameSync(draft, path)
  }
}

function syncDirectory(path: string): void {
  try {
    const directory = openSync(path, 'r')
    fsyncSync(directory)
    closeSync(directory)
  } catch {
    // Not every system lets a directory be synced; the file itself is.
  }
}

function exists(path: string): CommandError {
  return new CommandError(`${path} exists already.`, {
    exit: EXIT.conflict,
    code: 'EXISTS',
    suggestion: 'use --force to replace it',
  })
}
