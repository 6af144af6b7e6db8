import { createHash } from 'node:crypto'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TooLarge } from '../../src/blobs/blobs.ts'
import { createDirectory } from '../../src/blobs/directory.ts'
import { systemClock, systemRandom } from '../../src/live/time.ts'
import { synced } from '../helpers/disk-faults.ts'

let root = ''
const NEVER = async () => false
const ALWAYS = async () => true
const blobs = (isKnown: (hash: string) => Promise<boolean> = NEVER, laterMs = 0) =>
  createDirectory(root, { clock: { ...systemClock, now: () => Date.now() + laterMs }, random: systemRandom, isKnown })
const content = async function* (...chunks: string[]) {
  for (const chunk of chunks) yield Buffer.from(chunk)
}
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex')

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'dendrite-blobs-'))
})
afterEach(() => rm(root, { recursive: true }))

async function files(): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

test('a content lies under its hash, whole or in part, once', async () => {
  const taken = await blobs().take(content('hello ', 'world'), 100)
  expect([taken.hash, taken.bytes]).toEqual([hashOf('hello world'), 11])
  await taken.keep()
  await (await blobs().take(content('hello world'), 100)).keep()
  expect(await files()).toHaveLength(1)
  expect((await buffer((await blobs().open(taken.hash))!)).toString()).toBe('hello world')
  expect((await buffer((await blobs().open(taken.hash, { start: 6, end: 8 }))!)).toString()).toBe('wor')
  for (const hash of [hashOf('other'), '../../etc/passwd', '']) expect(await blobs().open(hash)).toBeUndefined()
  await blobs(ALWAYS).remove(taken.hash)
  expect(await files()).toHaveLength(1)
  await blobs(NEVER).remove(taken.hash)
  expect(await files()).toEqual([])
})

test('every directory that may be new for a content is on the disk before it is taken', async () => {
  const hash = hashOf('first')
  const outer = join(root, hash.slice(0, 2))
  const paths = await synced(() => blobs().take(content('first'), 100))
  expect([...paths].sort()).toEqual([root, outer, join(outer, hash.slice(2, 4))])
})

test('what is too large, or breaks off, leaves nothing', async () => {
  await expect(blobs().take(content('123', '456'), 5)).rejects.toThrow(TooLarge)
  const broken = async function* () {
    yield Buffer.from('half')
    throw new Error('hung up')
  }
  await expect(blobs().take(broken(), 100)).rejects.toThrow('hung up')
  expect(await files()).toEqual([])
})

test('what the database never knew goes, unless the same content is known or arrives again', async () => {
  const lost = await blobs().take(content('lost'), 100)
  const again = await blobs().take(content('lost'), 100)
  await lost.drop()
  await again.keep()
  expect((await buffer((await blobs().open(lost.hash))!)).toString()).toBe('lost')
  await (await blobs(ALWAYS).take(content('lost'), 100)).drop()
  expect(await files()).toEqual([lost.hash.slice(4)])
  await (await blobs().take(content('gone'), 100)).drop()
  expect(await files()).toEqual([lost.hash.slice(4)])
})

test('a sweep ends what a crash left: before the hash was known, before the database knew, and after', async () => {
  const known = await blobs().take(content('known'), 100)
  const unknown = await blobs().take(content('unknown'), 100)
  const aside = await blobs().take(content('aside'), 100)
  const arriving = join(root, 'arriving')
  await writeFile(join(arriving, 'half'), 'ha')
  // As a removal leaves it that died between its two steps.
  await rm(join(root, aside.hash.slice(0, 2), aside.hash.slice(2, 4), aside.hash.slice(4)))
  await blobs(ALWAYS).sweep()
  expect(await readdir(arriving)).toHaveLength(4)
  const isKnown = async (hash: string) => hash === known.hash || hash === aside.hash
  await blobs(isKnown, 2 * 3_600_000).sweep()
  expect(await readdir(arriving)).toEqual([])
  expect(await blobs().open(unknown.hash)).toBeUndefined()
  for (const { hash } of [known, aside]) expect((await buffer((await blobs().open(hash))!)).length).toBe(5)
})

test('a sweep of who is alone ends what is young too', async () => {
  const known = await blobs().take(content('known'), 100)
  const unknown = await blobs().take(content('unknown'), 100)
  await writeFile(join(root, 'arriving', 'half'), 'ha')
  await blobs(async (hash) => hash === known.hash).sweep('alone')
  expect(await files()).toEqual([known.hash.slice(4)])
  expect(await blobs().open(unknown.hash)).toBeUndefined()
})

test('a content that is removed while it arrives again, or while the database is away, is still there', async () => {
  const first = await blobs().take(content('twice'), 100)
  await first.keep()
  const second = await blobs().take(content('twice'), 100)
  await blobs(NEVER).remove(first.hash)
  await second.keep()
  const away = async () => {
    throw new Error('the database is away')
  }
  await expect(blobs(away).remove(first.hash)).rejects.toThrow('away')
  expect((await buffer((await blobs().open(first.hash))!)).toString()).toBe('twice')
})
