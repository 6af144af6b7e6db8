import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StorageAway, StorageFull, SWEEP_AGE_MS, TooLarge } from './blobs.ts'

/** Writes a content to a new file as it comes, to the disk. Errors: TooLarge, and those of the source and the disk. */
export async function spool(
  source: AsyncIterable<Uint8Array>,
  path: string,
  maxBytes: number,
): Promise<{ readonly hash: string; readonly bytes: number }> {
  const hash = createHash('sha256')
  const file = await open(path, 'wx', 0o600)
  let bytes = 0
  try {
    for await (const chunk of source) {
      bytes += chunk.length
      if (bytes > maxBytes) throw new TooLarge(`more than ${maxBytes} bytes`)
      hash.update(chunk)
      await writeAll(file, chunk)
    }
    await file.datasync()
  } finally {
    await file.close()
  }
  return { hash: hash.digest('hex'), bytes }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.length; )
    written += (await file.write(chunk, written, chunk.length - written)).bytesWritten
}

/** Of a disk that is full, for this user or for a file of this size. */
const NO_ROOM: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
/** Of a disk that is broken, gone, or not ours to write to, and of a process that has too many files open. */
const AWAY: ReadonlySet<unknown> = new Set(['EIO', 'EROFS', 'ESTALE', 'EACCES', 'EMFILE', 'ENFILE'])

/** What the disk says, in the words of those who store blobs; anything else as it is. */
export function asStorageError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (NO_ROOM.has(code)) return new StorageFull('There is no room for media.', { cause: error })
  return AWAY.has(code) ? new StorageAway('The directory of media fails.', { cause: error }) : error
}

/** Names in a directory that a crash has left: those that have stood there long enough, or all of them. */
export async function leftIn(dir: string, nowMs: number, alone?: 'alone'): Promise<string[]> {
  const names = await readdir(dir).catch(() => [])
  if (alone !== undefined) return names
  const left: string[] = []
  for (const name of names) {
    // Since when it has its name: what is set aside is as old as its content.
    const sinceMs = (await stat(join(dir, name)).catch(() => undefined))?.ctimeMs
    if (sinceMs !== undefined && nowMs - sinceMs >= SWEEP_AGE_MS) left.push(name)
  }
  return left
}

export async function sweepSpool(dir: string, nowMs: number, alone?: 'alone'): Promise<void> {
  for (const name of await leftIn(dir, nowMs, alone)) await rm(join(dir, name), { force: true })
}
