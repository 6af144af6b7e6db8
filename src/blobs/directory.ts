import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock, Random } from '../live/time.ts'
import { type Blobs, type TakenBlob, TooLarge } from './blobs.ts'

const NAME_BYTES = 16
const HASH = /^[0-9a-f]{64}$/
/** What is younger may still be on its way, also in another process. */
const SWEEP_AGE_MS = 3_600_000

/**
 * Blobs in a directory: `ab/cd/…` by the hash, `arriving/` for what is on its way. A file gets its name when it is
 * whole and on the disk. A second name in `arriving/` says until then that the database may not know of it.
 */
export function createDirectory(root: string, time: { readonly clock: Clock; readonly random: Random }): Blobs {
  const arriving = join(root, 'arriving')
  const placeOf = (hash: string) => join(root, hash.slice(0, 2), hash.slice(2, 4), hash.slice(4))
  return {
    async take(source, maxBytes) {
      await mkdir(arriving, { recursive: true, mode: 0o700 })
      const temporary = join(arriving, time.random.bytes(NAME_BYTES).toString('hex'))
      try {
        const { hash, bytes } = await copy(source, temporary, maxBytes)
        const marked = `${temporary}.${hash}`
        await rename(temporary, marked)
        await settle(marked, placeOf(hash))
        return takenBlob({ hash, bytes, marked, place: placeOf(hash) })
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    },
    async open(hash, range) {
      if (!HASH.test(hash)) return undefined
      const stream = createReadStream(placeOf(hash), range)
      return new Promise((resolve, reject) => {
        stream.once('open', () => resolve(stream))
        stream.once('error', (error: NodeJS.ErrnoException) =>
          error.code === 'ENOENT' ? resolve(undefined) : reject(error),
        )
      })
    },
    async remove(hash) {
      if (HASH.test(hash)) await rm(placeOf(hash), { force: true })
    },
    async sweep(isKnown) {
      for (const name of await readdir(arriving).catch(() => [])) {
        const path = join(arriving, name)
        const age = time.clock.now() - (await stat(path)).mtimeMs
        if (age < SWEEP_AGE_MS) continue
        const hash = name.split('.')[1] ?? ''
        if (HASH.test(hash) && !(await isKnown(hash))) await rm(placeOf(hash), { force: true })
        await rm(path, { force: true })
      }
    },
  }
}

async function copy(source: AsyncIterable<Uint8Array>, path: string, maxBytes: number) {
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

/** Gives the file its lasting name too. The same content may have it already. */
async function settle(marked: string, place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true, mode: 0o700 })
  try {
    await link(marked, place)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  await syncDirectory(dirname(place))
}

async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories, and its file systems order these steps themselves.
  if (process.platform === 'win32') return
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function takenBlob({
  hash,
  bytes,
  marked,
  place,
}: {
  hash: string
  bytes: number
  marked: string
  place: string
}): TakenBlob {
  return {
    hash,
    bytes,
    keep: () => rm(marked, { force: true }),
    async drop(isKnown) {
      await rm(marked, { force: true })
      // The same content may be arriving once more at this moment.
      const arriving = isKnown ? [] : await readdir(dirname(marked))
      if (!isKnown && !arriving.some((name) => name.endsWith(`.${hash}`))) await rm(place, { force: true })
    },
  }
}
