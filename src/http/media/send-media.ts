import type { FastifyReply, FastifyRequest } from 'fastify'
import { openContent, type StoredMedia } from '../../actions/media/find-media.ts'
import type { App } from '../../app.ts'
import { contentDisposition } from '../../core/content-headers.ts'
import { MatrixError } from '../../core/matrix-error.ts'

/** The name always leads to the same bytes. */
const CACHE = 'private, max-age=31536000, immutable'
/** Client-Server API, "Content Repository": what a browser may do with a file, wherever it comes from. */
const CONTENT_SECURITY_POLICY = [
  'sandbox',
  "default-src 'none'",
  "script-src 'none'",
  'plugin-types application/pdf',
  "style-src 'unsafe-inline'",
  "object-src 'self'",
].join('; ')

/**
 * Answers with a file, or with the part that was asked for (RFC 9110, "Range Requests"). What says how long it may be
 * kept comes last: a refusal is not kept.
 */
export async function sendMedia(
  app: App,
  { raw: request, reply }: { readonly raw: FastifyRequest; readonly reply: FastifyReply },
  media: StoredMedia,
  fileName: string | null = media.file_name,
): Promise<void> {
  const etag = `"${media.hash}"`
  const { 'if-none-match': known, 'if-range': partOf = etag, range: wanted } = request.headers
  const headers = {
    'Content-Type': media.content_type,
    'Content-Disposition': contentDisposition(media.content_type, fileName),
    'Content-Security-Policy': CONTENT_SECURITY_POLICY,
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': CACHE,
    'Accept-Ranges': 'bytes',
    ETag: etag,
  }
  if (known === etag) return void (await reply.headers(headers).code(304).send())
  const range = partOf === etag ? rangeIn(wanted, media.bytes) : undefined
  if (range === 'unsatisfiable') {
    reply.header('Content-Range', `bytes */${media.bytes}`)
    throw new MatrixError('M_UNKNOWN', 'The file has no such part.', {}, 416)
  }
  const { start, end } = range ?? { start: 0, end: media.bytes - 1 }
  const stream = await openContent(app, media, range)
  if (range !== undefined) reply.code(206).header('Content-Range', `bytes ${start}-${end}/${media.bytes}`)
  await reply.headers({ ...headers, 'Content-Length': end - start + 1 }).send(stream)
}

type Range = { readonly start: number; readonly end: number }

/** One range of bytes; several, or other units, are answered with the whole. */
function rangeIn(header: string | undefined, bytes: number): Range | 'unsatisfiable' | undefined {
  const [, from = '', to = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? []
  if (from === '' && to === '') return undefined
  const start = from === '' ? Math.max(bytes - Number(to), 0) : Number(from)
  const end = from === '' || to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1)
  if (from !== '' && to !== '' && Number(to) < start) return undefined
  return start >= bytes || start > end ? 'unsatisfiable' : { start, end }
}
