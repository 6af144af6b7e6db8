import sharp from 'sharp'
import { expect, test } from 'vitest'
import { createThumbnailer } from '../../src/blobs/thumbnailer.ts'
import type { Config } from '../../src/config/schema.ts'
import { systemTimers } from '../../src/live/time.ts'
import { eachServer } from '../helpers/each-server.ts'
import { movingGif, picture, seen } from '../helpers/pictures.ts'
import type { TestServer } from '../helpers/server.ts'
import { enter, type Session } from '../helpers/session.ts'

const NEW = '/_matrix/client/v1/media'
const OLD = '/_matrix/media/v3'

async function upload(server: TestServer, user: Session, body: Uint8Array, type: string): Promise<string> {
  const headers = { authorization: `Bearer ${user.token}`, 'content-type': type }
  const reply = await fetch(`${server.url}${OLD}/upload?filename=photo`, { method: 'POST', headers, body })
  return String(((await reply.json()) as { content_uri: string }).content_uri).slice('mxc://'.length)
}

async function get(server: TestServer, user: Session | undefined, path: string) {
  const headers = user === undefined ? {} : { authorization: `Bearer ${user.token}` }
  const reply = await fetch(`${server.url}${path}`, { headers })
  const bytes = Buffer.from(await reply.arrayBuffer())
  const errcode = reply.status === 200 ? undefined : JSON.parse(bytes.toString()).errcode
  return { status: reply.status, headers: reply.headers, bytes, errcode }
}

eachServer({}, (server) => {
  const thumbnail = (user: Session, name: string, query: string) =>
    get(server, user, `${NEW}/thumbnail/${name}?${query}`)

  test('a thumbnail has a configured size, never smaller than asked for, never larger than the image', async () => {
    const alice = await enter(server, 'thumb-alice')
    const name = await upload(server, alice, await picture(1_000, 500).jpeg().toBuffer(), 'image/jpeg')
    for (const [query, expected] of [
      ['width=32&height=32&method=crop', 'jpeg 32x32'],
      ['width=33&height=32&method=crop', 'jpeg 96x96'],
      ['width=300&height=200&method=scale', 'jpeg 320x160'],
      ['width=300&height=200', 'jpeg 320x160'],
      ['width=200&height=200&method=crop', 'jpeg 320x160'],
      ['width=641&height=300&method=scale', 'jpeg 800x400'],
      ['width=801&height=600&method=scale', 'jpeg 1000x500'],
    ] as const) {
      const reply = await thumbnail(alice, name, query)
      expect([query, reply.status, await seen(reply.bytes)]).toEqual([query, 200, expected])
      expect(reply.headers.get('content-disposition')).toBe('inline; filename=thumbnail.jpeg')
      expect(reply.headers.get('content-security-policy')).toContain('sandbox')
    }
    const small = await upload(server, alice, await picture(50, 20).png().toBuffer(), 'image/png')
    expect(await seen((await thumbnail(alice, small, 'width=96&height=96&method=crop')).bytes)).toBe('png 50x20')
    expect(await seen((await thumbnail(alice, small, 'width=32&height=32&method=crop')).bytes)).toBe('png 32x20')
  })

  test('what is seen through stays so, what is turned is turned, and nothing tells where it was taken', async () => {
    const alice = await enter(server, 'thumb-kinds')
    const clear = {
      create: { width: 200, height: 100, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } },
    } as const
    const glass = await upload(server, alice, await sharp(clear).webp().toBuffer(), 'image/webp')
    const shown = await thumbnail(alice, glass, 'width=96&height=96&method=crop')
    expect([await seen(shown.bytes), (await sharp(shown.bytes).metadata()).hasAlpha]).toEqual(['png 96x96', true])
    const exif = { IFD0: { Copyright: 'secret' } }
    const turned = await picture(400, 200).withExif(exif).withMetadata({ orientation: 6 }).jpeg().toBuffer()
    const photo = await thumbnail(alice, await upload(server, alice, turned, 'image/png'), 'width=300&height=200')
    expect([photo.headers.get('content-type'), await seen(photo.bytes)]).toEqual(['image/jpeg', 'jpeg 120x240'])
    const { orientation, exif: left } = await sharp(photo.bytes).metadata()
    expect([orientation, left]).toEqual([undefined, undefined])
    // Turned clockwise, left is up.
    const [red] = await sharp(photo.bytes).extract({ left: 60, top: 20, width: 1, height: 1 }).raw().toBuffer()
    expect(red).toBeGreaterThan(200)
  })

  test('a moving picture moves when it may, and never otherwise', async () => {
    const alice = await enter(server, 'thumb-moving')
    const large = await upload(server, alice, await movingGif(200, 200, 5), 'image/gif')
    const small = await upload(server, alice, await movingGif(20, 20, 3), 'image/gif')
    for (const [name, animated, expected] of [
      [large, '', 'png 96x96'],
      [large, '&animated=false', 'png 96x96'],
      [large, '&animated=true', 'webp 96x96 of 5'],
      [small, '', 'png 20x20'],
      [small, '&animated=true', 'gif 20x20 of 3'],
    ] as const) {
      const reply = await thumbnail(alice, name, `width=96&height=96&method=crop${animated}`)
      expect([animated, reply.status, await seen(reply.bytes)]).toEqual([animated, 200, expected])
    }
    const still = await upload(server, alice, await picture(300, 300).png().toBuffer(), 'image/png')
    const asked = await thumbnail(alice, still, 'width=96&height=96&method=crop&animated=true')
    expect(await seen(asked.bytes)).toBe('png 96x96')
  })

  test('it is made once for all who ask, also later', async () => {
    const alice = await enter(server, 'thumb-once')
    const name = await upload(server, alice, await picture(900, 700).png().toBuffer(), 'image/png')
    const { thumbnailer } = server.app
    let jobs = 0
    const ask = thumbnailer.ask
    Object.assign(thumbnailer, { ask: (...job: Parameters<typeof ask>) => ask(...job).finally(() => jobs++) })
    const replies = await Promise.all([1, 2, 3].map(() => thumbnail(alice, name, 'width=90&height=90&method=crop')))
    const later = await thumbnail(alice, name, 'width=96&height=96&method=crop')
    Object.assign(thumbnailer, { ask })
    expect(jobs).toBe(1)
    for (const { bytes } of replies) expect(bytes.equals(later.bytes)).toBe(true)
  })

  test('without the library images are served as they are, and nothing else is', async () => {
    const alice = await enter(server, 'thumb-without')
    const bytes = await picture(901, 701).png().toBuffer()
    const image = await upload(server, alice, bytes, 'image/png')
    const page = await upload(server, alice, Buffer.from('<html>'), 'text/html')
    const { ask } = server.app.thumbnailer
    const without = createThumbnailer({ script: undefined, childrenMax: 1, timers: systemTimers })
    Object.assign(server.app.thumbnailer, { ask: without.ask })
    const replies = [
      await thumbnail(alice, image, 'width=96&height=96'),
      await thumbnail(alice, page, 'width=96&height=96'),
    ]
    Object.assign(server.app.thumbnailer, { ask })
    expect(replies.map(({ status }) => status)).toEqual([200, 400])
    expect(replies[0]?.bytes.equals(bytes)).toBe(true)
    expect(await seen((await thumbnail(alice, image, 'width=96&height=96&method=crop')).bytes)).toBe('png 96x96')
  })

  test('any size is made where the configuration says so, to an end', async () => {
    const alice = await enter(server, 'thumb-dynamic')
    const name = await upload(server, alice, await picture(400, 300).jpeg().toBuffer(), 'image/jpeg')
    await withSettings(server.app.config, { dynamic_thumbnails: true }, async () => {
      for (let side = 100; side < 140; side++) await thumbnail(alice, name, `width=${side}&height=${side}&method=crop`)
      expect(await seen((await thumbnail(alice, name, 'width=107&height=107&method=crop')).bytes)).toBe('jpeg 107x107')
      expect(await seen((await thumbnail(alice, name, 'width=57&height=91&method=crop')).bytes)).toBe('jpeg 96x96')
    })
  })

  test('strangers, nonsense and what is no image are refused', async () => {
    const alice = await enter(server, 'thumb-refused')
    const text = await upload(server, alice, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'image/png')
    const size = 'width=96&height=96'
    expect((await get(server, undefined, `${NEW}/thumbnail/${text}?${size}`)).status).toBe(401)
    expect((await get(server, undefined, `${OLD}/thumbnail/${text}?${size}`)).status).toBe(404)
    const image = await upload(server, alice, await picture(100, 100).png().toBuffer(), 'image/png')
    await withSettings(server.app.config, { unauthenticated_downloads: true }, async () => {
      expect((await get(server, undefined, `${OLD}/thumbnail/${image}?${size}`)).status).toBe(200)
    })
    for (const [name, query, status, errcode] of [
      [text, size, 400, 'M_UNKNOWN'],
      [image, 'width=96', 400, 'M_MISSING_PARAM'],
      [image, 'width=-1&height=5', 400, 'M_INVALID_PARAM'],
      [image, 'width=1.5&height=5', 400, 'M_INVALID_PARAM'],
      [image, `${size}&method=stretch`, 400, 'M_INVALID_PARAM'],
      [`${server.app.serverName}/nothing`, size, 404, 'M_NOT_FOUND'],
    ] as const) {
      const reply = await thumbnail(alice, name, query)
      expect([query, reply.status, reply.errcode]).toEqual([query, status, errcode])
    }
  })
})

async function withSettings(config: Config, settings: object, run: () => Promise<void>): Promise<void> {
  const before = { ...config.media_api }
  Object.assign(config.media_api, settings)
  try {
    await run()
  } finally {
    Object.assign(config.media_api, before)
  }
}
