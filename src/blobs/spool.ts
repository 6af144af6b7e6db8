import { createHash } from 'node:crypto'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SWEEP_AGE_MS, TooLarge } from './blobs.ts'

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

/** Names in a directory that have stood there for so long that a crash has left them. */
export async function leftIn(dir: string, nowMs: number): Promise<string[]> {
  const left: string[] = []
  for (const name of await readdir(dir).catch(() => [])) {
    // Since when it has its name: what is set aside is as old as its content.
    const sinceMs = (await stat(join(dir, name)).catch(() => undefined))?.ctimeMs
    if (sinceMs !== undefined && nowMs - sinceMs >= SWEEP_AGE_MS) left.push(name)
  }
  return left
}

export async function sweepSpool(dir: string, nowMs: number): Promise<void> {
  for (const name of await leftIn(dir, nowMs)) await rm(join(dir, name), { force: true })
}
