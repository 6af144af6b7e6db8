import type Sharp from 'sharp'
import { systemTimers } from '../live/time.ts'
import type { ThumbnailReport } from './thumbnail-child.ts'
import type { ThumbnailAnswer, ThumbnailJob, ThumbnailLimits } from './thumbnailer.ts'

/**
 * The program of the process that looks into images: a job comes by message, the bytes by standard input, the answer
 * goes by message. Nothing here is trusted with anything but the image.
 */
type Library = typeof Sharp

const WATCH_MS = 50
/** The decoders that may run: those of a browser's common images, whatever else the library was built with. */
const DECODERS = ['VipsForeignLoadJpeg', 'VipsForeignLoadPng', 'VipsForeignLoadNsgif', 'VipsForeignLoadWebp']
const JPEG_QUALITY = 80
const WEBP_QUALITY = 75
/** Little: a moving picture has many frames. */
const WEBP_EFFORT = 2

void listen(JSON.parse(process.argv[2] ?? '{}') as ThumbnailLimits)

async function listen(limits: ThumbnailLimits): Promise<void> {
  const library = load()
  let chunks: Buffer[] = []
  let received = 0
  let job: ThumbnailJob | undefined

  async function goOn(): Promise<void> {
    if (job === undefined || received < job.bytes) return
    const [begun, bytes] = [job, Buffer.concat(chunks, received)]
    job = undefined
    chunks = []
    received = 0
    const stop = watch(limits)
    const answer = await answerTo(await library, bytes, begun, limits)
    stop()
    process.send?.({ answer, residentBytes: process.memoryUsage.rss() } satisfies ThumbnailReport)
  }

  process.on('message', (message) => {
    job = message as ThumbnailJob
    void goOn()
  })
  process.stdin.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    received += chunk.length
    void goOn()
  })
  // The server has ended.
  process.on('disconnect', () => process.exit(0))
}

async function load(): Promise<Library | undefined> {
  try {
    const { default: sharp } = await import('sharp')
    sharp.cache(false)
    sharp.concurrency(1)
    sharp.block({ operation: ['VipsForeignLoad'] })
    sharp.unblock({ operation: DECODERS })
    return sharp
  } catch {
    return undefined
  }
}

/** Ends the process when a job takes more than it may: the decoders run beside this thread. */
function watch({ memoryBytes, cpuMs }: ThumbnailLimits): () => void {
  const before = process.cpuUsage()
  let cancel: () => void
  const look = () => {
    const { user, system } = process.cpuUsage(before)
    if (process.memoryUsage.rss() > memoryBytes || (user + system) / 1_000 > cpuMs) process.exit(1)
    cancel = systemTimers.after(WATCH_MS, look)
  }
  look()
  return () => cancel()
}

async function answerTo(
  sharp: Library | undefined,
  bytes: Buffer,
  { size, animated }: ThumbnailJob,
  { pixels: pixelsMax }: ThumbnailLimits,
): Promise<ThumbnailAnswer> {
  if (sharp === undefined) return { kind: 'unavailable' }
  const contentType = imageType(bytes)
  if (contentType === undefined) return { kind: 'no-image' }
  try {
    const { width: w, height: h, orientation = 1, pages = 1, hasAlpha } = await sharp(bytes, UNLIMITED).metadata()
    if (w * h > pixelsMax) return { kind: 'too-costly' }
    const [width, height] = orientation > 4 ? [h, w] : [w, h]
    if (size === undefined) return { kind: 'seen', contentType, width, height }
    const moves = pages > 1 || isMovingPng(bytes)
    if (width <= size.width && height <= size.height && (animated || !moves)) return { kind: 'original', contentType }
    const kept = animated && pages > 1 && w * h * pages <= pixelsMax
    const image = sharp(bytes, { animated: kept, limitInputPixels: pixelsMax, failOn: 'error' })
      .autoOrient()
      .resize({
        width: Math.min(width, size.width),
        height: Math.min(height, size.height),
        fit: size.method === 'crop' ? 'cover' : 'inside',
        withoutEnlargement: true,
      })
    if (kept) return made('image/webp', await image.webp({ quality: WEBP_QUALITY, effort: WEBP_EFFORT }).toBuffer())
    const isPhoto = contentType === 'image/jpeg' || (contentType === 'image/webp' && !hasAlpha)
    if (isPhoto) return made('image/jpeg', await image.jpeg({ quality: JPEG_QUALITY }).toBuffer())
    return made('image/png', await image.png().toBuffer())
  } catch {
    return { kind: 'no-image' }
  }
}

/** For the header alone, which unpacks nothing. */
const UNLIMITED = { limitInputPixels: false }

function made(contentType: string, image: Buffer): ThumbnailAnswer {
  return { kind: 'made', contentType, image }
}

/** In hexadecimal; a dot is any digit. */
const SIGNATURES: readonly (readonly [type: string, pattern: RegExp])[] = [
  ['image/jpeg', /^ffd8ff/],
  ['image/png', /^89504e470d0a1a0a/],
  ['image/gif', /^474946383[79]61/],
  ['image/webp', /^52494646.{8}57454250/],
]

/** By its first bytes, whatever the uploader has called it. */
function imageType(bytes: Buffer): string | undefined {
  const start = bytes.toString('hex', 0, 16)
  return SIGNATURES.find(([, pattern]) => pattern.test(start))?.[0]
}

/** The library shows the first picture of a moving PNG, and does not say that there are others. */
function isMovingPng(bytes: Buffer): boolean {
  const at = bytes.indexOf('acTL')
  return bytes[0] === 0x89 && at >= 0 && at < bytes.indexOf('IDAT')
}
