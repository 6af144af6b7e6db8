import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { App } from '../app.ts'
import type { Config } from '../config/schema.ts'
import { type BlobRange, StorageAway } from './blobs.ts'

/** The objects of a bucket, as far as they are asked for here. All of it may throw StorageAway. */
export interface Bucket {
  has(key: string): Promise<boolean>
  /** An empty object, or one with the content of a file. */
  put(key: string, content?: FileContent): Promise<void>
  /** Undefined when there is none. */
  open(key: string, range?: BlobRange): Promise<Readable | undefined>
  /** Resolves with whether there was something to copy. */
  copy(from: string, to: string): Promise<boolean>
  remove(key: string): Promise<void>
  /** The keys that begin so and are wanted. */
  list(prefix: string, isWanted: (key: string, modifiedMs: number) => boolean): Promise<string[]>
}

interface FileContent {
  readonly file: string
  readonly bytes: number
  readonly hash: string
}

type Outbound = App['remote']['services']
type Reply = Parameters<Parameters<Outbound['receive']>[1]>[0]
type S3Config = Config['media_api']['s3']

/** Whoever downloads a file may be slow. */
const LIMITS = { timeoutMs: 3_600_000, silenceMs: 30_000, maxBytes: Number.MAX_SAFE_INTEGER }
/** Of an answer that is no file: a page of a list, or what went wrong. */
const ANSWER_BYTES_MAX = 4 * 2 ** 20
/** Of nothing at all. */
const EMPTY_HASH = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

interface Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'DELETE'
  readonly key?: string
  readonly query?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly content?: FileContent | undefined
}

/** Speaks to S3, or to what speaks as S3 does. */
export function createBucket(config: S3Config, outbound: Outbound): Bucket {
  const ask = askerOf(config, outbound)
  return {
    has: (key) => isDone(ask, { method: 'HEAD', key }),
    async put(key, content) {
      if (!(await isDone(ask, { method: 'PUT', key, content }))) throw new StorageAway('There is no such bucket.')
    },
    copy: (from, to) =>
      isDone(ask, { method: 'PUT', key: to, headers: { 'x-amz-copy-source': `/${config.bucket}/${from}` } }),
    async remove(key) {
      await isDone(ask, { method: 'DELETE', key })
    },
    open: (key, range) => openObject(ask, key, range),
    list: (prefix, isWanted) => listKeys(ask, prefix, isWanted),
  }
}

type Ask = <T>(request: Request, read: (reply: Reply) => Promise<T>) => Promise<T>

function askerOf(config: S3Config, outbound: Outbound): Ask {
  const { origin, pathname } = new URL(config.endpoint)
  const root = pathname.replace(/\/$/, '') + (config.bucket_in_host ? '' : `/${config.bucket}`)
  return async ({ method, key = '', query = '', headers = {}, content }, read) => {
    // Loaded with the first file.
    const { AwsV4Signer } = await import('aws4fetch')
    const length = content === undefined ? {} : { 'content-length': String(content.bytes) }
    const signed = await new AwsV4Signer({
      method,
      url: `${origin}${root}/${key}${query}`,
      headers: { ...headers, ...length, 'x-amz-content-sha256': content?.hash ?? EMPTY_HASH },
      accessKeyId: config.access_key_id,
      secretAccessKey: config.secret_access_key,
      service: 's3',
      region: config.region,
    }).sign()
    const { url } = signed
    const sent = { method, origin: url.origin, path: url.pathname + url.search, ...LIMITS }
    const body = content === undefined ? undefined : createReadStream(content.file)
    try {
      return await outbound.receive({ ...sent, headers: Object.fromEntries(signed.headers), body }, read)
    } catch (error) {
      if ((error as Error).name !== 'Unreachable') throw error
      throw new StorageAway(`The storage of media: ${(error as Error).message}`, { cause: error })
    } finally {
      body?.destroy()
    }
  }
}

/** Whether what was asked for is there, and was done. */
function isDone(ask: Ask, request: Request): Promise<boolean> {
  return ask(request, async (reply) => {
    if (reply.status === 404) return isThere(reply)
    await expectDone(reply)
    return true
  })
}

/** Of a 404: the object is not there, but the bucket is. Errors: StorageAway. */
async function isThere({ body }: Reply): Promise<false> {
  if (within(await textIn(body), 'Code') === 'NoSuchBucket') throw new StorageAway('There is no such bucket.')
  return false
}

function openObject(ask: Ask, key: string, range: BlobRange | undefined): Promise<Readable | undefined> {
  const headers = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` }
  return new Promise((resolve, reject) => {
    ask({ method: 'GET', key, headers }, async (reply) => {
      if (reply.status === 404) return resolve((await isThere(reply)) || undefined)
      if (reply.status !== 200 && reply.status !== 206) await expectDone(reply)
      if (range !== undefined && reply.status !== 206) throw new StorageAway('The storage of media gives no parts.')
      const stream = Readable.from(reply.body, { objectMode: false })
      resolve(stream)
      // The connection is needed until the last byte; who reads it hears of what goes wrong.
      await finished(stream).catch(() => undefined)
    }).catch(reject)
  })
}

async function listKeys(ask: Ask, prefix: string, isWanted: Parameters<Bucket['list']>[1]): Promise<string[]> {
  const wanted: string[] = []
  for (let token: string | undefined = ''; token !== undefined; ) {
    const more: string = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`
    const query = `?list-type=2&prefix=${encodeURIComponent(prefix)}${more}`
    const page: string = await ask({ method: 'GET', query }, expectDone)
    for (const [, object = ''] of page.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = within(object, 'Key') ?? ''
      if (isWanted(key, Date.parse(within(object, 'LastModified') ?? ''))) wanted.push(key)
    }
    token = within(page, 'NextContinuationToken')
  }
  return wanted
}

/** The answer as text. Errors: StorageAway for any other than that it was done. */
async function expectDone({ status, body }: Reply): Promise<string> {
  const text = await textIn(body)
  // A copy may fail after its answer has begun.
  const code = within(text, 'Code')
  if (status < 200 || status >= 300 || code !== undefined)
    throw new StorageAway(`The storage of media answers ${status}${code === undefined ? '' : ` (${code})`}.`)
  return text
}

async function textIn(body: Reply['body']): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > ANSWER_BYTES_MAX) throw new StorageAway('The storage of media answers with too much.')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** What stands between the tags: keys of ours hold nothing that XML would write otherwise. */
function within(xml: string, tag: string): string | undefined {
  return new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1]
}
