import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, expect, test } from 'vitest'
import { childrenAtOnce, createThumbnailer, type Thumbnailer } from '../../src/blobs/thumbnailer.ts'
import { systemTimers } from '../../src/live/time.ts'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
})

test.each([
  ['as many as are wanted', 2, 4, 2],
  ['one core is left', 10, 4, 3],
  ['one there is always', 10, 1, 1],
  ['a large machine is not filled', 200, 128, 8],
])('thumbnails at once: %s', (_, wanted, cores, expected) => {
  expect(childrenAtOnce(wanted, cores)).toBe(expected)
})

/** With a child that answers each job with an image, and then does as `after` says. */
function withChild(after: string): { readonly thumbnailer: Thumbnailer; readonly pidFile: string } {
  const dir = mkdtempSync(join(tmpdir(), 'dendrite-child-'))
  const [script, pidFile] = [join(dir, 'child.cjs'), join(dir, 'pid')]
  writeFileSync(
    script,
    `require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid))
    const answer = { kind: 'made', contentType: 'image/png', image: Buffer.alloc(1_000_000) }
    process.stdin.resume()
    process.on('disconnect', () => process.exit())
    process.on('message', () => process.send({ answer, residentBytes: 1 }, () => { ${after} }))`,
  )
  const thumbnailer = createThumbnailer({ script, childrenMax: 1, timers: systemTimers })
  undo.push(
    () => rmSync(dir, { recursive: true }),
    () => thumbnailer.close(),
  )
  return { thumbnailer, pidFile }
}

function ask(thumbnailer: Thumbnailer) {
  const bytes = randomBytes(8)
  return thumbnailer.ask(bytes.toString('hex'), { bytes: bytes.length, animated: false }, async () =>
    Readable.from([bytes]),
  )
}

test('a child that was ended while it had nothing to do is not asked', async () => {
  const { thumbnailer, pidFile } = withChild('process.exit()')
  expect((await ask(thumbnailer)).kind).toBe('made')
  await expect.poll(() => isRunning(Number(readFileSync(pidFile, 'utf8')))).toBe(false)
  expect((await ask(thumbnailer)).kind).toBe('made')
})

test('images are forgotten while their child lives on', async () => {
  const { thumbnailer } = withChild('')
  const heldBytes = () => {
    collect()
    return process.memoryUsage().arrayBuffers
  }
  await ask(thumbnailer)
  const before = heldBytes()
  for (let job = 0; job < 20; job++) await ask(thumbnailer)
  // What a collection finds is freed beside it.
  await expect.poll(() => heldBytes() - before, { timeout: 5_000 }).toBeLessThan(5_000_000)
})

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
