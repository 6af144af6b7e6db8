import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { picture } from '../helpers/pictures.ts'
import { startTestServer, type TestServer } from '../helpers/server.ts'
import { enter, type Session } from '../helpers/session.ts'

const NEW = '/_matrix/client/v1/media'

let web: Server
let site: string
let server: TestServer
let alice: Session
const asked: string[] = []
const pages = new Map<string, { type?: string; body?: string | Buffer; location?: string; status?: number }>()

beforeAll(async () => {
  web = createServer((request, response) => {
    asked.push(request.url ?? '')
    const { type = 'text/html', body = '', location, status } = pages.get(request.url ?? '') ?? { status: 404 }
    if (location !== undefined) return void response.writeHead(302, { location }).end()
    response.writeHead(status ?? 200, { 'content-type': type }).end(body)
  })
  await new Promise<void>((resolve) => void web.listen(0, '127.0.0.1', resolve))
  site = `http://127.0.0.1:${(web.address() as AddressInfo).port}`
  server = await startTestServer({}, undefined, { federationApi: { deny_networks: [] } })
  Object.assign(server.app.config.media_api.url_previews, { enabled: true, ports: [] })
  alice = await enter(server, 'preview-alice')
})

afterAll(async () => {
  await server.stop()
  web.closeAllConnections()
  web.close()
})

const previewPath = (url: string, more = '') => `${NEW}/preview_url?url=${encodeURIComponent(url)}${more}`
const preview = (path: string, more?: string) => alice.get(previewPath(`${site}${path}`, more))

test('a page says what it is, and its picture becomes a file here', async () => {
  const image = await picture(60, 40).png().toBuffer()
  pages.set('/picture', { type: 'image/png', body: image })
  pages.set('/page', {
    body: `<html><head><title>Not this</title><meta property="og:title" content="Tea &amp; leaves">
      <meta name="twitter:description" content="All of them"><meta property="og:type" content="article">
      <meta property="og:video" content="https://elsewhere.example/film"><meta property="og:image" content="picture">`,
  })
  const answer = await preview('/page')
  expect(answer).toEqual({
    'og:title': 'Tea & leaves',
    'og:description': 'All of them',
    'og:type': 'article',
    'og:image': expect.stringMatching(/^mxc:\/\/test\.example\//),
    'og:image:type': 'image/png',
    'og:image:width': 60,
    'og:image:height': 40,
    'matrix:image:size': image.length,
  })
  const headers = { authorization: `Bearer ${alice.token}` }
  const path = `${NEW}/download/${answer['og:image'].slice('mxc://'.length)}`
  const shown = await fetch(`${server.url}${path}`, { headers })
  expect(Buffer.from(await shown.arrayBuffer()).equals(image)).toBe(true)
  expect(await preview('/picture')).toMatchObject({ 'og:image:width': 60, 'matrix:image:size': image.length })
})

test('a page without metadata is told by its title and text, in its own encoding, and by oEmbed', async () => {
  const german =
    '<head><title>\n K\xe4se </title></head><body><nav><p>Menu</p></nav><p>Viel <b>K\xe4se</b>.</p><script>no</script>'
  pages.set('/cheese', { type: 'text/html; charset=iso-8859-1', body: Buffer.from(german, 'latin1') })
  expect(await preview('/cheese')).toEqual({ 'og:title': 'Käse', 'og:description': 'Viel Käse.' })
  pages.set('/film', { body: '<head><link rel="alternate" type="application/json+oembed" href="/oembed">' })
  pages.set('/oembed', { type: 'application/json', body: '{"title":"A film","provider_name":"Films","html":"<b>"}' })
  expect(await preview('/film')).toEqual({ 'og:title': 'A film', 'og:site_name': 'Films' })
  pages.set('/data', { type: 'application/zip', body: 'PK' })
  expect(await preview('/data')).toEqual({})
})

test('it is fetched once for all who ask, also later, and at the older path', async () => {
  pages.set('/once', { body: '<head><title>Once</title></head>' })
  const before = asked.length
  const answers = await Promise.all([preview('/once'), preview('/once'), preview('/once')])
  answers.push(await preview('/once', `&ts=${Date.now()}`))
  answers.push(await alice.get(`/_matrix/media/v3/preview_url?url=${encodeURIComponent(`${site}/once`)}`))
  expect(answers).toEqual(answers.map(() => ({ 'og:title': 'Once' })))
  expect(asked.slice(before)).toEqual(['/once'])
})

test('redirects are followed, and not for ever', async () => {
  pages.set('/from', { location: '/to' })
  pages.set('/to', { body: '<head><title>There</title></head>' })
  expect(await preview('/from')).toEqual({ 'og:title': 'There' })
  pages.set('/round', { location: '/round' })
  expect(await alice.refused('GET', previewPath(`${site}/round`))).toBe('502 M_UNKNOWN')
  pages.set('/file', { location: 'file:///etc/passwd' })
  expect(await alice.refused('GET', previewPath(`${site}/file`))).toBe('502 M_UNKNOWN')
})

test('pages that are made to do harm cost little, and what they point at is left out', async () => {
  pages.set('/deep', { body: `<head><title>Deep</title></head>${'<div>'.repeat(50_000)}${'</b>'.repeat(60_000)}` })
  const started = process.cpuUsage()
  expect(await preview('/deep')).toEqual({ 'og:title': 'Deep' })
  expect(process.cpuUsage(started).user / 1_000).toBeLessThan(2_000)
  pages.set('/large', { body: `<head><title>Large</title></head>${'<p>x '.repeat(1_000_000)}` })
  expect(await preview('/large')).toMatchObject({ 'og:title': 'Large' })
  pages.set('/svg', { type: 'image/png', body: '<svg xmlns="http://www.w3.org/2000/svg"/>' })
  const image = `<head><title>Odd</title><meta property="og:image" content="${site}/svg">`
  pages.set('/odd', { body: image })
  expect(await preview('/odd')).toEqual({ 'og:title': 'Odd' })
})

test('private networks, other ports and what is no address are refused; it is off until it is configured', async () => {
  const { url_previews: settings } = server.app.config.media_api as {
    url_previews: { enabled: boolean; ports: number[] }
  }
  for (const url of ['nonsense', 'ftp://example.org/', 'file:///etc/passwd', 'http://user:word@example.org/'])
    expect([url, await alice.refused('GET', previewPath(url))]).toEqual([url, '400 M_INVALID_PARAM'])
  settings.ports = [443]
  expect(await alice.refused('GET', previewPath(`${site}/to`))).toBe('400 M_INVALID_PARAM')
  settings.ports = []
  settings.enabled = false
  expect(await alice.refused('GET', previewPath(`${site}/to`))).toBe('404 M_NOT_FOUND')
  settings.enabled = true
  const guarded = await startTestServer()
  try {
    Object.assign(guarded.app.config.media_api.url_previews, { enabled: true, ports: [] })
    const bob = await enter(guarded, 'preview-bob')
    const before = asked.length
    const { port } = new URL(site)
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '0x7f.1', '2130706433', '[::ffff:127.0.0.1]', '0.0.0.0'])
      expect([host, await bob.refused('GET', previewPath(`http://${host}:${port}/to`))]).toEqual([
        host,
        '502 M_UNKNOWN',
      ])
    expect(asked.slice(before)).toEqual([])
  } finally {
    await guarded.stop()
  }
})
