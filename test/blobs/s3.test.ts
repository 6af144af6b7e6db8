import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { StorageAway, TooLarge } from '../../src/blobs/blobs.ts'
import { createBucket } from '../../src/blobs/bucket.ts'
import { createS3 } from '../../src/blobs/s3.ts'
import { configFrom } from '../../src/config/load.ts'
import { systemClock, systemRandom, systemTimers } from '../../src/live/time.ts'
import { ANYWHERE } from '../../src/remote/networks.ts'
import { createOutbound, type Outbound } from '../../src/remote/outbound.ts'
import { startS3, type TestS3 } from '../helpers/s3.ts'

let [s3, outbound, spoolDir] = [{} as TestS3, {} as Outbound, '']
const NEVER = async () => false
const ALWAYS = async () => true
const content = async function* (...chunks: string[]) {
  for (const chunk of chunks) yield Buffer.from(chunk)
}

beforeEach(async () => {
  s3 = await startS3()
  outbound = createOutbound({ networks: ANYWHERE, timers: systemTimers, verifyTls: true })
  spoolDir = await mkdtemp(join(tmpdir(), 'dendrite-spool-'))
})
afterEach(async () => {
  await outbound.close()
  await s3.stop()
  await rm(spoolDir, { recursive: true })
})

function blobs(isKnown: (hash: string) => Promise<boolean> = NEVER, laterMs = 0, s3Config = s3.config) {
  const global = { server_name: 'a.example', private_key: 'k.pem', database: { connection_string: 'file:x.db' } }
  const config = configFrom({ version: 2, global, media_api: { s3: s3Config } }).media_api.s3
  const clock = { ...systemClock, now: () => Date.now() + laterMs }
  const world = { clock, random: systemRandom, isKnown }
  return createS3(createBucket(config, outbound), { prefix: config.prefix, spoolDir }, world)
}

const read = async (hash: string, range?: { start: number; end: number }) =>
  (await buffer((await blobs().open(hash, range))!)).toString()
const placeOf = (hash: string) => `files/${hash.slice(0, 2)}/${hash.slice(2, 4)}/${hash.slice(4)}`

test('a content lies under its hash, whole or in part, once, and nothing of it on this machine', async () => {
  const taken = await blobs().take(content('hello ', 'world'), 100)
  expect((await s3.keys()).length).toBe(2)
  await taken.keep()
  await (await blobs().take(content('hello world'), 100)).keep()
  expect(await s3.keys()).toEqual([placeOf(taken.hash)])
  expect(s3.asked.filter((asked) => asked === `PUT /media/${placeOf(taken.hash)}`)).toHaveLength(1)
  expect(await readdir(spoolDir)).toEqual([])
  expect([await read(taken.hash), await read(taken.hash, { start: 6, end: 8 })]).toEqual(['hello world', 'wor'])
  for (const hash of ['0'.repeat(64), '../../etc/passwd', '']) expect(await blobs().open(hash)).toBeUndefined()
  await expect(blobs().take(content('123', '456'), 5)).rejects.toThrow(TooLarge)
  const empty = await blobs().take(content(), 5)
  expect(await read(empty.hash)).toBe('')
})

test('what the database never knew goes, unless the same content is known or arrives again', async () => {
  const lost = await blobs().take(content('lost'), 100)
  const again = await blobs().take(content('lost'), 100)
  await lost.drop()
  await again.keep()
  await (await blobs(ALWAYS).take(content('lost'), 100)).drop()
  await (await blobs().take(content('gone'), 100)).drop()
  expect(await s3.keys()).toEqual([placeOf(lost.hash)])
  expect(await read(lost.hash)).toBe('lost')
  await blobs(ALWAYS).remove(lost.hash)
  expect(await read(lost.hash)).toBe('lost')
  await blobs(NEVER).remove(lost.hash)
  expect(await s3.keys()).toEqual([])
})

test('a sweep ends what a crash left: on this machine, before the database knew, after, and of a removal', async () => {
  const known = await blobs().take(content('known'), 100)
  const unknown = await blobs().take(content('unknown'), 100)
  const aside = await blobs().take(content('aside'), 100)
  await aside.keep()
  s3.fail((method, url) => method === 'PUT' && url.endsWith(placeOf(aside.hash)))
  const answers = [false, true]
  await expect(blobs(async () => answers.shift() === true).remove(aside.hash)).rejects.toThrow(StorageAway)
  s3.fail(undefined)
  expect(await blobs().open(aside.hash)).toBeUndefined()
  await writeFile(join(spoolDir, 'half'), 'ha')
  const isKnown = async (hash: string) => hash === known.hash || hash === aside.hash
  await blobs(isKnown).sweep()
  expect((await s3.keys()).filter((key) => key.startsWith('files/arriving/'))).toHaveLength(3)
  await blobs(isKnown, 2 * 3_600_000).sweep()
  expect((await s3.keys()).sort()).toEqual([placeOf(known.hash), placeOf(aside.hash)].sort())
  expect([await read(aside.hash), await blobs().open(unknown.hash)]).toEqual(['aside', undefined])
  expect(await readdir(spoolDir)).toEqual([])
})

test('a storage that cannot now, or is away, says so, and nothing stays on this machine', async () => {
  const taken = await blobs().take(content('stays'), 100)
  await taken.keep()
  s3.fail(() => true)
  await expect(blobs().take(content('more'), 100)).rejects.toThrow('SlowDown')
  await expect(blobs().open(taken.hash)).rejects.toThrow(StorageAway)
  await s3.stop()
  await expect(blobs().take(content('more'), 100)).rejects.toThrow(StorageAway)
  expect(await readdir(spoolDir)).toEqual([])
  s3 = await startS3()
})

test('credentials that nobody knows and a bucket that is not there are no files that are missing', async () => {
  const taken = await blobs().take(content('stays'), 100)
  await taken.keep()
  for (const wrong of [{ access_key_id: 'nobody' }, { bucket: 'none' }]) {
    const misled = blobs(NEVER, 0, { ...s3.config, ...wrong })
    await expect(misled.take(content('more'), 100)).rejects.toThrow(StorageAway)
    await expect(misled.open(taken.hash)).rejects.toThrow(StorageAway)
    await expect(misled.remove(taken.hash)).rejects.toThrow(StorageAway)
  }
  expect(await readdir(spoolDir)).toEqual([])
  expect(await read(taken.hash)).toBe('stays')
})

test('a download that breaks off is no shorter file', async () => {
  const taken = await blobs().take(content('0123456789'), 100)
  await taken.keep()
  s3.cutAfter(4)
  await expect(read(taken.hash)).rejects.toThrow()
  await expect(read(taken.hash, { start: 0, end: 7 })).rejects.toThrow()
  s3.cutAfter(undefined)
  expect(await read(taken.hash)).toBe('0123456789')
})

test('the whole is not taken for the part that was asked for', async () => {
  const { receive } = outbound
  const taken = await blobs().take(content('0123456789'), 100)
  outbound = {
    ...outbound,
    receive: ({ headers: { range: _range, ...headers } = {}, ...request }, reply) =>
      receive({ ...request, headers }, reply),
  }
  await expect(read(taken.hash, { start: 2, end: 4 })).rejects.toThrow(StorageAway)
  expect(await read(taken.hash)).toBe('0123456789')
})

test('an upload that S3 refuses half way leaves no mark', async () => {
  s3.fail((method, url) => method === 'PUT' && !url.includes('/arriving/'))
  await expect(blobs().take(content('half'), 100)).rejects.toThrow(StorageAway)
  expect(await s3.keys()).toEqual([])
})
