import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock, Random } from '../live/time.ts'
import { type Blobs, type IsKnown, isHash } from './blobs.ts'
import { leftIn, spool } from './spool.ts'

const NAME_BYTES = 16

/**
 * Blobs in a directory: `ab/cd/…` by the hash, `arriving/` for what is on its way. A file gets its name when it is
 * whole and on the disk. A second name in `arriving/`, ending with the hash, says until then that the database may not
 * know of it.
 */
export function createDirectory(root: string, time: { readonly clock: Clock; readonly random: Random }): Blobs {
  const arriving = join(root, 'arriving')
  const placeOf = (hash: string) => join(root, hash.slice(0, 2), hash.slice(2, 4), hash.slice(4))
  const newName = () => join(arriving, time.random.bytes(NAME_BYTES).toString('hex'))

  /**
   * The file is set aside first: who uploads the same content now finds none, and makes its own. Who found it just
   * before has a mark in `arriving/` until the database knows: then, or when the database does not answer, it is given
   * back. `own` is the mark of whoever removes it.
   */
  async function remove(hash: string, isKnown: IsKnown, own?: string): Promise<void> {
    if (!isHash(hash)) return
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

  return {
    async take(source, maxBytes) {
      await mkdir(arriving, { recursive: true, mode: 0o700 })
      let path = newName()
      try {
        const { hash, bytes } = await spool(source, path, maxBytes)
        const marked = `${path}.${hash}`
        await rename(path, marked)
        path = marked
        await settle(marked, placeOf(hash))
        const unmark = () => rm(marked, { force: true })
        return { hash, bytes, keep: unmark, drop: (isKnown) => remove(hash, isKnown, marked).then(unmark) }
      } catch (error) {
        await rm(path, { force: true })
        throw error
      }
    },
    async open(hash, range) {
      if (!isHash(hash)) return undefined
      const stream = createReadStream(placeOf(hash), range)
      return new Promise((resolve, reject) => {
        stream.once('open', () => resolve(stream))
        stream.once('error', (error: NodeJS.ErrnoException) =>
          error.code === 'ENOENT' ? resolve(undefined) : reject(error),
        )
      })
    },
    remove: (hash, isKnown) => remove(hash, isKnown),
    async sweep(isKnown) {
      for (const name of await leftIn(arriving, time.clock.now())) {
        const path = join(arriving, name)
        const hash = name.split('.')[1] ?? ''
        if (isHash(hash) && (await isKnown(hash))) await settle(path, placeOf(hash))
        else await remove(hash, isKnown, path)
        await rm(path, { force: true })
      }
    },
  }
}

/** Gives the file its lasting name too. The same content may have it already. */
async function settle(marked: string, place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true, mode: 0o700 })
  try {
    await link(marked, place)
  } catch (error) {
    unless(error, 'EEXIST')
  }
  await syncDirectory(dirname(place))
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
