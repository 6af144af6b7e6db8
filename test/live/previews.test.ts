import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createPreviews } from '../../src/live/previews.ts'
import { systemClock } from '../../src/live/time.ts'
import { metadataOf } from '../../src/remote/page-metadata.ts'

setFlagsFromString('--expose_gc')
const collect = runInNewContext('gc') as () => void

test('of a page that was previewed nothing but the preview stays in memory', async () => {
  const previews = createPreviews(systemClock)
  const rest = `<p>${'x'.repeat(500_000)}`
  const keep = async (page: number) => {
    const html = Buffer.from(`<meta property="og:title" content="What the page number ${page} is about">${rest}`)
    const { metas } = await metadataOf(html.toString(), async () => undefined)
    previews.keep(`https://pages.example/${page}`, { 'og:title': metas.get('og:title') ?? '' })
  }
  await keep(0)
  collect()
  const before = process.memoryUsage().heapUsed
  for (let page = 1; page <= 20; page++) await keep(page)
  collect()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(4_000_000)
  expect(previews.at('https://pages.example/20', systemClock.now())).toEqual({
    'og:title': 'What the page number 20 is about',
  })
})

test('many long previews take no more than some megabytes', () => {
  const previews = createPreviews(systemClock)
  const answer = { 'og:description': 'x'.repeat(8_000) }
  for (let page = 0; page < 1_000; page++) previews.keep(`https://pages.example/${page}`, answer)
  expect(previews.at('https://pages.example/999', systemClock.now())).toEqual(answer)
  expect(previews.at('https://pages.example/0', systemClock.now())).toBeUndefined()
})
