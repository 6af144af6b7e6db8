import { Readable } from 'node:stream'
import type { App } from '../app.ts'
import { TooLarge } from '../blobs/blobs.ts'
import { ANY_TYPE, contentTypeOf, fileNameIn } from '../core/content-headers.ts'
import { MatrixError } from '../core/matrix-error.ts'
import { partsOf } from '../core/multipart.ts'
import { askForBytes, asMatrixError, federationPath } from '../remote/ask-server.ts'
import { Unreachable } from '../remote/outbound.ts'
import { type MediaName, type MediaRow, mediaNamed } from '../store/media.ts'
import { keepMedia, uploadLimit } from './upload-media.ts'

/** Headers and delimiters around the file. */
const FRAME_BYTES = 65_536
const BYTES_MAX = 512 * 1_024 * 1_024
const REDIRECT_TIMEOUT_MS = 60_000
const FILE_NAME_LENGTH_MAX = 255

interface Fetched {
  readonly contentType: string
  readonly fileName: string | null
  readonly body: Buffer
}

/**
 * Fetches a file of another server, once for all who ask for it at the same time (Server-Server API, "Content
 * Repository"). Errors: M_NOT_FOUND, M_TOO_LARGE (502) when it is larger than an upload may be, M_UNKNOWN (502) when
 * the server does not give it.
 */
export function fetchRemoteMedia(app: App, name: MediaName, timeoutMs: number): Promise<MediaRow> {
  return app.live.mediaFetches.run(`${name.origin}/${name.media_id}`, async () => {
    const known = await mediaNamed(app.db, name)
    if (known !== undefined) return known
    const { contentType, fileName, body } = await fetchFile(app, name, timeoutMs)
    const limit = uploadLimit(app)
    if (body.length > limit) throw tooLarge(limit)
    const blob = await app.blobs.take(Readable.from([body]), limit)
    const content = { ...name, uploader: null, content_type: contentType, file_name: fileName }
    await keepMedia(app, { ...content, hash: blob.hash, bytes: blob.bytes }, blob, false)
    // Another process may have been faster.
    const row = await mediaNamed(app.db, name)
    if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'The file is not there any more.')
    return row
  })
}

async function fetchFile(app: App, name: MediaName, timeoutMs: number): Promise<Fetched> {
  const maxBytes = Math.min(uploadLimit(app) + FRAME_BYTES, BYTES_MAX)
  try {
    const uri = `${federationPath`/v1/media/download/${name.media_id}`}?timeout_ms=${timeoutMs}`
    const reply = await askForBytes(app, name.origin, { method: 'GET', uri, maxBytes, timeoutMs: timeoutMs + 30_000 })
    if (reply.status === 404 && isUnknownEndpoint(reply.body)) return await fetchOldWay(app, name, maxBytes)
    if (reply.status !== 200) throw statusError(name, reply.status)
    return await fileIn(app, String(reply.headers?.['content-type'] ?? ''), reply.body, maxBytes)
  } catch (error) {
    if (error instanceof TooLarge) throw tooLarge(uploadLimit(app))
    throw asMatrixError(name.origin, error)
  }
}

function isUnknownEndpoint(body: Buffer): boolean {
  return body.length < 1_000 && (body.length === 0 || body.includes('M_UNRECOGNIZED'))
}

/** Servers of before Matrix 1.11 give their files to anybody. */
async function fetchOldWay(app: App, { origin, media_id }: MediaName, maxBytes: number): Promise<Fetched> {
  const path = `${encodeURIComponent(origin)}/${encodeURIComponent(media_id)}`
  const uri = `/_matrix/media/v3/download/${path}?allow_remote=false`
  const reply = await askForBytes(app, origin, { method: 'GET', uri, maxBytes })
  if (reply.status !== 200) throw statusError({ origin, media_id }, reply.status)
  return fileOf(reply.headers ?? {}, reply.body)
}

/** Two parts: what is said of the file, as JSON, and the file itself or where it lies. */
async function fileIn(app: App, contentType: string, body: Buffer, maxBytes: number): Promise<Fetched> {
  const [, file] = partsOf(contentType, body, 2) ?? []
  if (file === undefined) throw new Unreachable('the answer is not made of two parts')
  const location = file.headers.get('location')
  if (location === undefined) return fileOf(Object.fromEntries(file.headers), file.body)
  if (!URL.canParse(location) || new URL(location).protocol !== 'https:')
    throw new Unreachable('the file lies at a place that is no address')
  const { origin, pathname, search } = new URL(location)
  const request = { method: 'GET', origin, path: pathname + search, timeoutMs: REDIRECT_TIMEOUT_MS, maxBytes }
  const reply = await app.remote.strangers.request(request)
  if (reply.status !== 200) throw new Unreachable(`${origin} answers ${reply.status}`)
  return fileOf(reply.headers, reply.body)
}

function fileOf(headers: Readonly<Record<string, string | string[] | undefined>>, body: Buffer): Fetched {
  const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  const fileName = fileNameIn(text('content-disposition'))?.replace(/\0/g, '').slice(0, FILE_NAME_LENGTH_MAX)
  return { contentType: contentTypeOf(text('content-type') ?? ANY_TYPE), fileName: fileName ?? null, body }
}

function statusError({ origin }: MediaName, status: number): MatrixError {
  if (status === 404) return new MatrixError('M_NOT_FOUND', `${origin} has no such file.`)
  if (status === 504) return new MatrixError('M_NOT_YET_UPLOADED', 'The file is not uploaded yet.')
  return new MatrixError('M_UNKNOWN', `${origin} does not give the file: it answers ${status}.`, {}, 502)
}

function tooLarge(maxBytes: number): MatrixError {
  return new MatrixError('M_TOO_LARGE', `The file has more than ${maxBytes} bytes.`, {}, 502)
}
