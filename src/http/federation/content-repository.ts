import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Type } from '@sinclair/typebox'
import type { FastifyReply } from 'fastify'
import { findMedia, openContent, type StoredMedia } from '../../actions/media/find-media.ts'
import { makeThumbnail } from '../../actions/media/make-thumbnail.ts'
import type { App } from '../../app.ts'
import { contentDisposition } from '../../core/content-headers.ts'
import { endpoint } from '../endpoint.ts'
import { THUMBNAIL_QUERY, wishedThumbnail } from '../media/thumbnail-query.ts'

const BOUNDARY_BYTES = 12
const MediaId = Type.Object({ mediaId: Type.String() })

/** Server-Server API, "Content Repository". */
export const getContent = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/media/download/{mediaId}',
  auth: 'federation-signature',
  rateLimit: 'other',
  params: MediaId,
  query: Type.Object({ timeout_ms: Type.Optional(Type.Integer()) }),
  async handle(app, { params, query, signal, reply }) {
    await sendParts(app, reply, await find(app, params.mediaId, query.timeout_ms, signal))
  },
})

export const getContentThumbnail = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/media/thumbnail/{mediaId}',
  auth: 'federation-signature',
  rateLimit: 'other',
  params: MediaId,
  query: Type.Object(THUMBNAIL_QUERY),
  async handle(app, { params, query, signal, reply }) {
    const media = await find(app, params.mediaId, query.timeout_ms, signal)
    await sendParts(app, reply, await makeThumbnail(app, media, wishedThumbnail(query)))
  },
})

function find(app: App, mediaId: string, timeoutMs: number | undefined, signal: AbortSignal): Promise<StoredMedia> {
  return findMedia(app, { origin: app.serverName, mediaId, timeoutMs, allowRemote: false, signal })
}

/** Two parts: what is said of the file, which is nothing yet, and the file itself. */
async function sendParts(app: App, reply: FastifyReply, media: StoredMedia): Promise<void> {
  const file = await openContent(app, media)
  const boundary = app.random.bytes(BOUNDARY_BYTES).toString('hex')
  const head = [
    `--${boundary}`,
    'Content-Type: application/json',
    '',
    '{}',
    `--${boundary}`,
    `Content-Type: ${media.content_type}`,
    `Content-Disposition: ${contentDisposition(media.content_type, media.file_name)}`,
    '',
    '',
  ].join('\r\n')
  const tail = `\r\n--${boundary}--\r\n`
  const body = new PassThrough()
  body.write(head)
  // When the bytes fail in the middle, the connection breaks: an end would look like the whole.
  pipeline(file, body, { end: false }).then(
    () => body.end(tail),
    (error: Error) => body.destroy(error),
  )
  await reply
    .header('Content-Type', `multipart/mixed; boundary=${boundary}`)
    .header('Content-Length', Buffer.byteLength(head) + media.bytes + Buffer.byteLength(tail))
    .send(body)
}
