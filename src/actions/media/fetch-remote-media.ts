import type { App } from '../../app.ts'
import { type TakenBlob, TooLarge } from '../../blobs/blobs.ts'
import { ANY_TYPE, contentTypeOf, fileNameIn } from '../../core/content-headers.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { boundaryIn, type Found, readMultipart } from '../../core/multipart.ts'
import { asMatrixError, federationPath, receiveFrom } from '../../remote/ask-server.ts'
import { type IncomingReply, Unreachable } from '../../remote/outbound.ts'
import { type MediaName, type MediaRow, mediaNamed } from '../../store/media.ts'
import { keepMedia, uploadLimit } from './upload-media.ts'

/** Headers and delimiters around the file. */
const FRAME_BYTES = 65_536
/** Where uploads of any size are allowed, others still cannot fill the disk with one file. */
const BYTES_MAX = 4 * 2 ** 30
/** For all of a file, and for a silence amid it. */
const TIMEOUT_MS = 15 * 60_000
const SILENCE_MS = 30_000
const FILE_NAME_LENGTH_MAX = 255
/** Of an answer that is no file. */
const REFUSAL_BYTES_MAX = 1_000

type Headers = IncomingReply['headers']

interface Fetched {
  readonly contentType: string
  readonly fileName: string | null
  readonly blob: TakenBlob
}

/**
 * Fetches a file of another server, once for all who ask for it at the same time (Server-Server API, "Content
 * Repository"). It goes to its place as it comes. Errors: M_NOT_FOUND, M_TOO_LARGE (502) when it is larger than an
 * upload may be, M_UNKNOWN (502) when the server does not give it.
 */
export function fetchRemoteMedia(app: App, name: MediaName, timeoutMs: number): Promise<MediaRow> {
  return app.live.mediaFetches.run(`${name.origin}/${name.media_id}`, async () => {
    const known = await mediaNamed(app.db, name)
    if (known !== undefined) return known
    const { contentType, fileName, blob } = await fetchFile(app, name, timeoutMs)
    const content = { ...name, uploader: null, content_type: contentType, file_name: fileName }
    await keepMedia(app, { ...content, hash: blob.hash, bytes: blob.bytes }, blob)
    // Another process may have been faster.
    const row = await mediaNamed(app.db, name)
    if (row === undefined) throw new MatrixError('M_NOT_FOUND', 'The file is not there any more.')
    return row
  })
}

async function fetchFile(app: App, name: MediaName, waitMs: number): Promise<Fetched> {
  try {
    const uri = `${federationPath`/v1/media/download/${name.media_id}`}?timeout_ms=${waitMs}`
    const fetched = await ask(app, name, { uri, waitMs }, async (reply) => {
      if (reply.status === 404 && (await isUnknownEndpoint(reply))) return 'old server'
      if (reply.status !== 200) throw statusError(name, reply.status)
      return readParts(app, reply)
    })
    if (fetched === 'old server') return await fetchOldWay(app, name)
    return typeof fetched === 'string' ? await fetchFrom(app, fetched) : fetched
  } catch (error) {
    if (error instanceof TooLarge)
      throw new MatrixError('M_TOO_LARGE', `The file has more than ${bytesMax(app)} bytes.`, {}, 502)
    throw asMatrixError(name.origin, error)
  }
}

function ask<T>(
  app: App,
  { origin }: MediaName,
  { uri, waitMs }: { readonly uri: string; readonly waitMs: number },
  read: (reply: IncomingReply) => Promise<T>,
): Promise<T> {
  const limits = { maxBytes: bytesMax(app) + FRAME_BYTES, timeoutMs: TIMEOUT_MS, silenceMs: waitMs + SILENCE_MS }
  return receiveFrom(app, origin, { method: 'GET', uri, ...limits }, read)
}

function bytesMax(app: App): number {
  return Math.min(uploadLimit(app), BYTES_MAX)
}

async function isUnknownEndpoint({ body }: IncomingReply): Promise<boolean> {
  let text = ''
  for await (const chunk of body) {
    text += chunk.toString('latin1')
    if (text.length > REFUSAL_BYTES_MAX) return false
  }
  return text === '' || text.includes('M_UNRECOGNIZED')
}

/** Servers of before Matrix 1.11 give their files to anybody. */
function fetchOldWay(app: App, name: MediaName): Promise<Fetched> {
  const path = `${encodeURIComponent(name.origin)}/${encodeURIComponent(name.media_id)}`
  const uri = `/_matrix/media/v3/download/${path}?allow_remote=false`
  return ask(app, name, { uri, waitMs: 0 }, async (reply) => {
    if (reply.status !== 200) throw statusError(name, reply.status)
    return takeFile(app, reply.headers, reply.body)
  })
}

/** Two parts: what is said of the file, as JSON, and the file itself or where it lies: then that is the answer. */
async function readParts(app: App, { headers, body }: IncomingReply): Promise<Fetched | string> {
  const found = findParts(String(headers['content-type'] ?? ''), body)
  await nextHeaders(found)
  const file = await nextHeaders(found)
  const location = file.get('location')
  return location ?? takeFile(app, Object.fromEntries(file), fileBytes(found))
}

async function* findParts(contentType: string, body: AsyncIterable<Buffer>): AsyncGenerator<Found> {
  const boundary = boundaryIn(contentType)
  if (boundary === undefined) return
  const read = readMultipart(boundary)
  for await (const chunk of body) yield* read(chunk)
}

async function nextHeaders(found: AsyncGenerator<Found>): Promise<ReadonlyMap<string, string>> {
  for (;;) {
    const { value, done } = await found.next()
    if (done === true || 'end' in value) throw new Unreachable('the answer is not made of two parts')
    if ('headers' in value) return value.headers
  }
}

/** Of the part whose headers were read last. */
async function* fileBytes(found: AsyncGenerator<Found>): AsyncGenerator<Buffer> {
  for (;;) {
    const { value, done } = await found.next()
    if (done === true) throw new Unreachable('the answer breaks off')
    if (!('bytes' in value)) return
    yield value.bytes
  }
}

async function fetchFrom(app: App, location: string): Promise<Fetched> {
  if (!URL.canParse(location) || new URL(location).protocol !== 'https:')
    throw new Unreachable('the file lies at a place that is no address')
  const { origin, pathname, search } = new URL(location)
  const limits = { timeoutMs: TIMEOUT_MS, silenceMs: SILENCE_MS, maxBytes: bytesMax(app) + FRAME_BYTES }
  return app.remote.strangers.receive({ method: 'GET', origin, path: pathname + search, ...limits }, async (reply) => {
    if (reply.status !== 200) throw new Unreachable(`${origin} answers ${reply.status}`)
    return takeFile(app, reply.headers, reply.body)
  })
}

async function takeFile(app: App, headers: Headers, body: AsyncIterable<Buffer>): Promise<Fetched> {
  const text = (name: string) => (typeof headers[name] === 'string' ? headers[name] : undefined)
  const fileName = fileNameIn(text('content-disposition'))?.replace(/\0/g, '').slice(0, FILE_NAME_LENGTH_MAX)
  const blob = await app.blobs.take(body, bytesMax(app))
  return { contentType: contentTypeOf(text('content-type') ?? ANY_TYPE), fileName: fileName ?? null, blob }
}

function statusError({ origin }: MediaName, status: number): MatrixError {
  if (status === 404) return new MatrixError('M_NOT_FOUND', `${origin} has no such file.`)
  if (status === 504) return new MatrixError('M_NOT_YET_UPLOADED', 'The file is not uploaded yet.')
  return new MatrixError('M_UNKNOWN', `${origin} does not give the file: it answers ${status}.`, {}, 502)
}
