import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Type } from '@sinclair/typebox'
import { findMedia } from '../../actions/find-media.ts'
import { contentDisposition } from '../../core/content-headers.ts'
import { endpoint } from '../endpoint.ts'
import { openBlob } from '../media/send-media.ts'

const BOUNDARY_BYTES = 12

/** Server-Server API, "Content Repository": two parts, what is said of the file and the file itself. */
export const getContent = endpoint({
  method: 'GET',
  path: '/_matrix/federation/v1/media/download/{mediaId}',
  auth: 'federation-signature',
  rateLimit: 'other',
  params: Type.Object({ mediaId: Type.String() }),
  query: Type.Object({ timeout_ms: Type.Optional(Type.Integer()) }),
  async handle(app, { params, query, signal, reply }) {
    const wanted = { origin: app.serverName, mediaId: params.mediaId, timeoutMs: query.timeout_ms }
    const media = await findMedia(app, { ...wanted, allowRemote: false, signal })
    const file = await openBlob(app, media)
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
  },
})
