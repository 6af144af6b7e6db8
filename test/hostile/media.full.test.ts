import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { createThumbnailer } from '../../src/blobs/thumbnailer.ts'
import { systemTimers } from '../../src/live/time.ts'
import { hostileFiles } from '../helpers/hostile-media.ts'
import { picture, seen } from '../helpers/pictures.ts'
import { startTestServer } from '../helpers/server.ts'
import { enter } from '../helpers/session.ts'
import { thumbnailLoad } from '../helpers/thumbnail-load.ts'
import { ROOT } from '../spec/table.ts'

const SCRIPT = join(ROOT, 'dist', 'thumbnail-main.cjs')
const QUERY = 'width=96&height=96&method=crop'
const MEMORY_MAX_MB = 300
const P99_MAX_MS = 50

test('two hundred hostile files change nothing but an answer', async () => {
  const server = await startTestServer()
  try {
    const alice = await enter(server, 'hostile-alice')
    const headers = { authorization: `Bearer ${alice.token}` }
    const upload = async (body: Buffer, type: string, fileName: string) => {
      const path = `/_matrix/media/v3/upload?filename=${encodeURIComponent(fileName)}`
      const reply = await fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { ...headers, 'content-type': type },
        body,
      })
      return String(((await reply.json()) as { content_uri: string }).content_uri).slice('mxc://'.length)
    }
    const get = async (kind: string, name: string) => {
      const reply = await fetch(`${server.url}/_matrix/client/v1/media/${kind}/${name}?${QUERY}`, { headers })
      return { status: reply.status, headers: reply.headers, bytes: Buffer.from(await reply.arrayBuffer()) }
    }
    const before = readdirSync(server.dir)
    const files = await hostileFiles()
    expect(files.length).toBeGreaterThanOrEqual(200)
    for (const { about, bytes, type, fileName, isBomb } of files) {
      const name = await upload(bytes, type, fileName)
      const thumbnail = await get('thumbnail', name)
      expect([about, thumbnail.status]).toEqual([about, expect.toBeOneOf(isBomb ? [400, 413] : [200, 400, 413])])
      if (thumbnail.status === 200) expect(await seen(thumbnail.bytes)).toMatch(/^(?:png|jpeg|webp) \d{1,2}x\d{1,2}$/)
      const whole = await get('download', name)
      expect([about, whole.status, whole.bytes.equals(bytes)]).toEqual([about, 200, true])
      const shown = whole.headers.get('content-disposition')?.startsWith('inline') ?? true
      expect([about, shown]).toEqual([about, /^image\/(?:png|jpeg|webp|gif)$/.test(type)])
      expect(whole.headers.get('set-cookie')).toBeNull()
    }
    const good = await upload(await picture(300, 300).png().toBuffer(), 'image/png', 'good.png')
    expect(await seen((await get('thumbnail', good)).bytes)).toBe('png 96x96')
    expect(readdirSync(server.dir).filter((name) => !before.includes(name))).toEqual(['media_store'])
  } finally {
    await server.stop()
  }
})

test('without the limit of pixels a bomb would be unpacked, and without that of work it would go on', async () => {
  const [bomb] = (await hostileFiles()).filter(({ isBomb }) => isBomb)
  const job = { bytes: bomb!.bytes.length, size: { width: 96, height: 96, method: 'crop' }, animated: false } as const
  const kindUnder = async (limits: object) => {
    const thumbnailer = createThumbnailer({ script: SCRIPT, childrenMax: 1, timers: systemTimers, limits })
    const answer = await thumbnailer.ask('bomb', job, async () => Readable.from([bomb!.bytes]))
    await thumbnailer.close()
    return answer.kind
  }
  const unlimited = { pixels: Number.MAX_SAFE_INTEGER }
  expect(await kindUnder({})).toBe('too-costly')
  expect(await kindUnder(unlimited)).toBe('made')
  expect(await kindUnder({ ...unlimited, cpuMs: 1 })).toBe('too-costly')
  expect(await kindUnder({ ...unlimited, memoryBytes: 1 })).toBe('too-costly')
})

test('fifty thumbnails of twelve megapixels at once cost little memory, and others no time', async () => {
  const { statuses, ...figures } = await thumbnailLoad()
  console.log(JSON.stringify(figures))
  expect(statuses).toEqual(Array(50).fill(200))
  expect(figures.rssMb).toBeLessThan(MEMORY_MAX_MB)
  // What a busy machine takes from everybody is not counted.
  expect(figures.p99Ms).toBeLessThan(P99_MAX_MS + 2 * figures.quietP99Ms)
})

test('nor do they cost more on a machine of many cores, unless the configuration says so', async () => {
  const { statuses, ...figures } = await thumbnailLoad(8)
  console.log(JSON.stringify(figures))
  expect(statuses).toEqual(Array(50).fill(200))
  expect(figures.rssMb).toBeLessThan(MEMORY_MAX_MB)
})
