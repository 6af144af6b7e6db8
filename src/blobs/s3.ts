import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Blobs, type BlobsWorld, isHash, SWEEP_AGE_MS } from './blobs.ts'
import type { Bucket } from './bucket.ts'
import { asStorageError, spool, sweepSpool } from './spool.ts'

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
  { clock, random, isKnown }: BlobsWorld,
): Blobs {
  const { placeOf, marksOf } = keysUnder(prefix)
  const newName = () => random.bytes(NAME_BYTES).toString('hex')

  /** As in the directory: set aside first, and given back where somebody turns out to need it. */
  async function remove(hash: string, own?: string): Promise<void> {
    if (!isHash(hash) || (await isKnown(hash))) return
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

  async function discard(hash: string, mark: string): Promise<void> {
    await remove(hash, mark)
    await bucket.remove(mark)
  }

  async function put(path: string, hash: string, bytes: number): Promise<string> {
    const mark = `${marksOf(hash)}.${newName()}.mark`
    try {
      await bucket.put(mark)
      if (!(await bucket.has(placeOf(hash)))) await bucket.put(placeOf(hash), { file: path, bytes, hash })
      return mark
    } catch (error) {
      // What stays although it should not is found by the next sweep.
      await discard(hash, mark).catch(() => undefined)
      throw error
    }
  }

  return {
    async take(source, maxBytes) {
      const path = join(spoolDir, newName())
      try {
        await mkdir(spoolDir, { recursive: true, mode: 0o700 })
        const { hash, bytes } = await spool(source, path, maxBytes)
        const mark = await put(path, hash, bytes)
        return { hash, bytes, keep: () => bucket.remove(mark), drop: () => discard(hash, mark) }
      } catch (error) {
        throw asStorageError(error)
      } finally {
        await rm(path, { force: true })
      }
    },
    open: async (hash, range) => (isHash(hash) ? bucket.open(placeOf(hash), range) : undefined),
    remove: (hash) => remove(hash),
    async sweep(alone) {
      await sweepSpool(spoolDir, clock.now(), alone)
      const isOld = (_: string, modifiedMs: number) => modifiedMs < clock.now() - SWEEP_AGE_MS
      for (const key of await bucket.list(marksOf(''), isOld)) {
        const hash = key.slice(marksOf('').length).split('.')[0] ?? ''
        if (key.endsWith('.aside') && isHash(hash) && (await isKnown(hash)) && !(await bucket.has(placeOf(hash))))
          await bucket.copy(key, placeOf(hash))
        await discard(hash, key)
      }
    },
  }
}

function keysUnder(prefix: string) {
  return {
    placeOf: (hash: string) => `${prefix}${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash.slice(4)}`,
    marksOf: (hash: string) => `${prefix}arriving/${hash}`,
  }
}
