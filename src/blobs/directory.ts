import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { type BlobRange, type Blobs, type BlobsWorld, isHash } from './blobs.ts'
import { asStorageError, leftIn, spool } from './spool.ts'

const NAME_BYTES = 16

/**
 * Blobs in a directory: `ab/cd/…` by the hash, `arriving/` for what is on its way. A file gets its name when it is
 * whole and on the disk. A second name in `arriving/`, ending with the hash, says until then that the database may not
 * know of it.
 */
export function createDirectory(root: string, { clock, random, isKnown }: BlobsWorld): Blobs {
  const arriving = join(root, 'arriving')
  const placeOf = (hash: string) => join(root, hash.slice(0, 2), hash.slice(2, 4), hash.slice(4))
  const newName = () => join(arriving, random.bytes(NAME_BYTES).toString('hex'))

  /**
   * The file is set aside first: who uploads the same content now finds none, and makes its own. Who found it just
   * before has a mark in `arriving/` until the database knows: then, or when the database does not answer, it is given
   * back. `own` is the mark of whoever removes it.
   */
  async function remove(hash: string, own?: string): Promise<void> {
    if (!isHash(hash) || (await isKnown(hash))) return
    const aside = `${newName()}.${hash}`
    await mkdir(arriving, { recursive: true, mode: 0o700 })
    try {
      await rename(placeOf(hash), aside)
    } catch (error) {
      return unless(error, 'ENOENT')
    }
    let gone = false
    try {
      const marks = (await readdir(arriving)).filter((name) => name.endsWith(`.${hash}`))
      const others = marks.filter((name) => ![aside, own].includes(join(arriving, name)))
      gone = others.length === 0 && !(await isKnown(hash))
    } finally {
      if (!gone) await settle(aside, placeOf(hash))
    }
    await rm(aside, { force: true })
  }

  /** Ends what was on its way. What is there of it in its lasting place goes too, unless somebody knows it. */
  async function discard(path: string): Promise<void> {
    await remove(hashIn(path), path)
    await rm(path, { force: true })
  }

  return {
    async take(source, maxBytes) {
      let path = newName()
      try {
        await mkdir(arriving, { recursive: true, mode: 0o700 })
        const { hash, bytes } = await spool(source, path, maxBytes)
        const marked = `${path}.${hash}`
        await rename(path, marked)
        path = marked
        await settle(marked, placeOf(hash))
        return { hash, bytes, keep: () => rm(marked, { force: true }), drop: () => discard(marked) }
      } catch (error) {
        // What stays although it should not is found by the next sweep.
        await discard(path).catch(() => undefined)
        throw asStorageError(error)
      }
    },
    open: async (hash, range) => (isHash(hash) ? openFile(placeOf(hash), range) : undefined),
    remove: (hash) => remove(hash),
    async sweep(alone) {
      for (const name of await leftIn(arriving, clock.now(), alone)) {
        const path = join(arriving, name)
        const hash = hashIn(name)
        if (isHash(hash) && (await isKnown(hash))) await settle(path, placeOf(hash))
        await discard(path)
      }
    },
  }
}

function openFile(path: string, range: BlobRange | undefined): Promise<Readable | undefined> {
  const stream = createReadStream(path, range)
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve(stream))
    stream.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve(undefined) : reject(asStorageError(error)),
    )
  })
}

/** '' while the content is not whole. */
function hashIn(path: string): string {
  return basename(path).split('.')[1] ?? ''
}

/** Gives the file its lasting name too. The same content may have it already. Both directories may be new. */
async function settle(marked: string, place: string): Promise<void> {
  const inner = dirname(place)
  const outer = dirname(inner)
  await mkdir(inner, { recursive: true, mode: 0o700 })
  try {
    await link(marked, place)
  } catch (error) {
    unless(error, 'EEXIST')
  }
  await Promise.all([inner, outer, dirname(outer)].map(syncDirectory))
}

function unless(error: unknown, code: string): void {
  if ((error as NodeJS.ErrnoException).code !== code) throw error
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
