import type { App } from '../../app.ts'
import { TooLarge } from '../../blobs/blobs.ts'
import { ANY_TYPE, contentTypeOf } from '../../core/content-headers.ts'
import { isObject, type JsonObject, own, parseJson } from '../../core/json.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { fetchPage, pageUrl, startOf } from '../../remote/fetch-page.ts'
import { type IncomingReply, Unreachable } from '../../remote/outbound.ts'
import { metadataOf, type PageMetadata, textOf } from '../../remote/page-metadata.ts'
import { keepMedia, newName, uploadLimit } from './upload-media.ts'

const PAGE_BYTES_MAX = 524_288
const OEMBED_BYTES_MAX = 65_536
const IMAGE_BYTES_MAX = 10 * 1_024 * 1_024
/** More is never read of any answer. */
const ANSWER_BYTES_MAX = 64 * 1_024 * 1_024
const TITLE_LENGTH_MAX = 300
const TEXT_LENGTH_MAX = 1_000
/** What may be shown of a page as it says it. Addresses are left out that a client would fetch by itself. */
const PLAIN = ['og:type', 'og:url', 'og:site_name', 'og:locale', 'og:image:alt', 'article:published_time']
const IMAGE_TYPE = /^image\/(?:png|jpeg|gif|webp|apng)$/

/**
 * What a page says of itself, for a client that shows a link (Client-Server API, `/preview_url`). The answer is kept
 * for a while, and fetched once for all who ask. Errors: M_NOT_FOUND where previews are off, M_INVALID_PARAM,
 * M_UNKNOWN (502) when the page does not answer, M_LIMIT_EXCEEDED.
 */
export async function previewUrl(app: App, text: string, ts: number | undefined): Promise<JsonObject> {
  const { enabled, ports } = app.config.media_api.url_previews
  if (!enabled) throw new MatrixError('M_NOT_FOUND', 'This server makes no previews of pages.')
  const url = pageUrl(text, ports)
  if (url === undefined) throw new MatrixError('M_INVALID_PARAM', 'This is no address that may be previewed.')
  const known = app.live.previews.at(url.href, ts ?? app.clock.now())
  if (known !== undefined) return known
  return app.live.previewing.run(url.href, async () => {
    try {
      const answer = await app.live.previewPlaces(() => look(app, url))
      app.live.previews.keep(url.href, answer)
      return answer
    } catch (error) {
      if (!(error instanceof Unreachable || error instanceof TooLarge)) throw error
      throw new MatrixError('M_UNKNOWN', `${url.host} does not show this page.`, {}, 502)
    }
  })
}

type Read = { readonly page: PageMetadata; readonly url: URL } | { readonly answer: JsonObject }

async function look(app: App, url: URL): Promise<JsonObject> {
  const { ports } = app.config.media_api.url_previews
  const read = await fetchPage(app.remote.strangers, { url, ports, maxBytes: ANSWER_BYTES_MAX }, readPage)
  if ('answer' in read) return read.answer
  return describe(app, read.page, read.url)

  async function readPage(reply: IncomingReply, at: URL): Promise<Read> {
    const contentType = contentTypeOf(String(reply.headers['content-type'] ?? ANY_TYPE))
    const [type = ''] = contentType.split(';')
    if (IMAGE_TYPE.test(type)) return { answer: (await keepImage(app, reply, type)) ?? {} }
    if (type !== 'text/html' && type !== 'application/xhtml+xml') return { answer: {} }
    const html = textOf(await startOf(reply, PAGE_BYTES_MAX), contentType)
    return { page: await metadataOf(html, () => app.timers.sleep(0)), url: at }
  }
}

async function describe(app: App, page: PageMetadata, url: URL): Promise<JsonObject> {
  const embedded = page.oembed === undefined ? {} : await oembed(app, page.oembed, url)
  const said = (...names: string[]) => names.map((name) => page.metas.get(name)).find((text) => text)
  const plain = PLAIN.flatMap((name) => (page.metas.get(name) ? [[name, page.metas.get(name)] as const] : []))
  const title = said('og:title', 'twitter:title') || textIn(embedded, 'title') || page.title
  const description = said('og:description', 'twitter:description', 'description') || page.text
  const site = textIn(embedded, 'provider_name')
  const imageUrl =
    said('og:image', 'og:image:url', 'og:image:secure_url', 'twitter:image', 'twitter:image:src') ||
    textIn(embedded, embedded.type === 'photo' ? 'url' : 'thumbnail_url')
  return {
    ...(site === '' ? {} : { 'og:site_name': site.slice(0, TITLE_LENGTH_MAX) }),
    ...Object.fromEntries(plain.map(([name, text]) => [name, text?.slice(0, TEXT_LENGTH_MAX) ?? ''])),
    ...(title === '' ? {} : { 'og:title': title.slice(0, TITLE_LENGTH_MAX) }),
    ...(description === '' ? {} : { 'og:description': description.slice(0, TEXT_LENGTH_MAX) }),
    ...(imageUrl === '' ? {} : await imageAt(app, imageUrl, url)),
  }
}

/** oEmbed (oembed.com) tells a title and a picture. Its HTML is for nobody to run. */
async function oembed(app: App, href: string, base: URL): Promise<JsonObject> {
  const { ports } = app.config.media_api.url_previews
  const url = pageUrl(href, ports, base)
  if (url === undefined) return {}
  const request = { url, ports, maxBytes: OEMBED_BYTES_MAX }
  return orNothing(async () => {
    const answer = await fetchPage(app.remote.strangers, request, (reply) => startOf(reply, OEMBED_BYTES_MAX))
    const parsed = parseJson(answer)
    return isObject(parsed) ? parsed : {}
  })
}

function textIn(answer: JsonObject, key: string): string {
  const text = own(answer, key)
  return typeof text === 'string' ? text : ''
}

async function imageAt(app: App, href: string, base: URL): Promise<JsonObject> {
  const { ports } = app.config.media_api.url_previews
  const url = pageUrl(href, ports, base)
  if (url === undefined) return {}
  const request = { url, ports, maxBytes: IMAGE_BYTES_MAX }
  return orNothing(() =>
    fetchPage(app.remote.strangers, request, async (reply) => {
      const [type = ''] = contentTypeOf(String(reply.headers['content-type'] ?? ANY_TYPE)).split(';')
      return (await keepImage(app, reply, type)) ?? {}
    }),
  )
}

/** A page is shown without what it only points at. */
async function orNothing(work: () => Promise<JsonObject>): Promise<JsonObject> {
  try {
    return await work()
  } catch {
    return {}
  }
}

/** The image as a file of this server, so that a client tells its address to nobody else. */
async function keepImage(app: App, { body }: IncomingReply, type: string): Promise<JsonObject | undefined> {
  const blob = await app.blobs.take(body, Math.min(IMAGE_BYTES_MAX, uploadLimit(app)))
  const { hash, bytes } = blob
  const open = async () => {
    const stream = await app.blobs.open(hash)
    if (stream === undefined) throw new Unreachable('the image is not there any more')
    return stream
  }
  const seen = await app.thumbnailer.ask(hash, { bytes, animated: false }, open).catch(() => undefined)
  const contentType = seen?.kind === 'seen' ? seen.contentType : type
  const isImage = seen?.kind === 'seen' || (seen?.kind === 'unavailable' && IMAGE_TYPE.test(type))
  const name = newName(app)
  const content = { ...name, uploader: null, content_type: contentType, file_name: null, hash, bytes }
  if (!isImage) {
    await blob.drop()
    return undefined
  }
  await keepMedia(app, content, blob)
  const sides = seen.kind === 'seen' ? { 'og:image:width': seen.width, 'og:image:height': seen.height } : {}
  const uri = `mxc://${name.origin}/${name.media_id}`
  return { 'og:image': uri, 'og:image:type': contentType, 'matrix:image:size': bytes, ...sides }
}
