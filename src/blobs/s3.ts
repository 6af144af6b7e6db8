import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Random } from '../live/time.ts'
import { type Blobs, type IsKnown, isHash, SWEEP_AGE_MS } from './blobs.ts'
import type { Bucket } from './bucket.ts'
import { spool, sweepSpool } from './spool.ts'

const NAME_BYTES = 16

/**
 * Blobs in a bucket of S3: `PREFIX/ab/cd/…` by the hash. What arrives is written to a directory of this machine first,
 * since S3 wants to know length and hash before the first byte. An object below `PREFIX/arriving/` says until then that
 * the database may not know of a content: `HASH.NAME.mark` when one comes, `HASH.NAME.aside` with the content itself
 * when one goes.
 */
export function createS3(
  bucket: Bucket,
  { prefix, spoolDir }: { readonly prefix: string; readonly spoolDir: string },
  time: { readonly clock: Clock; readonly random: Random },
): Blobs {
  const placeOf = (hash: string) => `${prefix}${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash.slice(4)}`
  const newName = () => time.random.bytes(NAME_BYTES).toString('hex')
  const marksOf = (hash: string) => `${prefix}arriving/${hash}`

  /** As in the directory: set aside first, and given back where somebody turns out to need it. */
  async function remove(hash: string, isKnown: IsKnown, own?: string): Promise<void> {
    if (!isHash(hash)) return
    const aside = `${marksOf(hash)}.${newName()}.aside`
    if (!(await bucket.copy(placeOf(hash), aside))) return
    let gone = false
    try {
      await bucket.remove(placeOf(hash))
      const others = await bucket.list(`${marksOf(hash)}.`, (key) => key !== aside && key !== own)
      gone = others.length === 0 && !(await isKnown(hash))
    } finally {
      if (!gone) await bucket.copy(aside, placeOf(hash))
    }
    await bucket.remove(aside)
  }

  async function put(path: string, hash: string, bytes: number): Promise<string> {
    const mark = `${marksOf(hash)}.${newName()}.mark`
    await bucket.put(mark)
    if (!(await bucket.has(placeOf(hash)))) await bucket.put(placeOf(hash), { file: path, bytes, hash })
    return mark
  }

  return {
    async take(source, maxBytes) {
      await mkdir(spoolDir, { recursive: true, mode: 0o700 })
      const path = join(spoolDir, newName())
      try {
        const { hash, bytes } = await spool(source, path, maxBytes)
        const mark = await put(path, hash, bytes)
        const unmark = () => bucket.remove(mark)
        return { hash, bytes, keep: unmark, drop: (isKnown) => remove(hash, isKnown, mark).then(unmark) }
      } finally {
        await rm(path, { force: true })
      }
    },
    open: async (hash, range) => (isHash(hash) ? bucket.open(placeOf(hash), range) : undefined),
    remove: (hash, isKnown) => remove(hash, isKnown),
    async sweep(isKnown) {
      await sweepSpool(spoolDir, time.clock.now())
      const old = time.clock.now() - SWEEP_AGE_MS
      for (const key of await bucket.list(`${prefix}arriving/`, (_, modifiedMs) => modifiedMs < old)) {
        const hash = key.slice(`${prefix}arriving/`.length).split('.')[0] ?? ''
        if (!isHash(hash) || !(await isKnown(hash))) await remove(hash, isKnown, key)
        else if (key.endsWith('.aside') && !(await bucket.has(placeOf(hash)))) await bucket.copy(key, placeOf(hash))
        await bucket.remove(key)
      }
    },
  }
}
