import type { App } from '../../app.ts'
import type { UserId } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import type { Guard } from '../../db/database.ts'
import { uploadedBytes, uploadsFit } from '../../store/media.ts'

/** Somebody whose uploads are limited as `media_api.user_limits` says. */
export interface Uploader {
  readonly uploader: UserId
  /** An administrator, say. */
  readonly unlimited: boolean
}

interface Incoming extends Uploader {
  /** As the request announces it. */
  readonly bytes: number | undefined
  readonly source: AsyncIterable<Uint8Array>
}

/**
 * Takes a file in as far as its user may upload as much, with what is on its way to this process. The limit itself is
 * kept by `quotaGuards`, whoever else writes. Errors: M_FORBIDDEN, or M_USER_LIMIT_EXCEEDED where the configuration
 * names a page about it.
 */
export async function withinQuota<T>(
  app: App,
  incoming: Incoming,
  take: (source: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { uploader, bytes, source } = incoming
  const left = await bytesLeft(app, incoming)
  if (left === Number.POSITIVE_INFINITY) return take(source)
  const { uploads } = app.live
  let own = 0
  const come = (more: number) => {
    if (uploads.of(uploader) + more > left) throw quotaReached(app)
    uploads.add(uploader, more)
    own += more
  }
  try {
    come(bytes ?? 0)
    return await take(bytes === undefined ? counted(source, come) : source)
  } finally {
    uploads.add(uploader, -own)
  }
}

async function* counted(source: AsyncIterable<Uint8Array>, come: (bytes: number) => void) {
  for await (const chunk of source) {
    come(chunk.length)
    yield chunk
  }
}

/** Hold while the user may upload so many bytes more. */
export function quotaGuards(app: App, { uploader, unlimited }: Uploader, bytes: number): Guard[] {
  if (unlimited) return []
  return quotasOf(app).map(({ sinceMs, maxBytes }) => uploadsFit(uploader, sinceMs, maxBytes - bytes))
}

/** Errors: as `withinQuota`. */
export async function checkQuota(app: App, uploader: Uploader, bytes: number): Promise<void> {
  if (bytes > (await bytesLeft(app, uploader))) throw quotaReached(app)
}

async function bytesLeft(app: App, { uploader, unlimited }: Uploader): Promise<number> {
  if (unlimited) return Number.POSITIVE_INFINITY
  const left = quotasOf(app).map(
    async ({ sinceMs, maxBytes }) => maxBytes - (await uploadedBytes(app.db, uploader, sinceMs)),
  )
  return Math.min(...(await Promise.all(left)))
}

/** How much a user may have uploaded since when. */
function quotasOf({ config, clock }: App): { readonly sinceMs: number; readonly maxBytes: number }[] {
  const { max_bytes: maxBytes, uploads } = config.media_api.user_limits
  const inAll = maxBytes === 0 ? [] : [{ sinceMs: 0, maxBytes }]
  return [...inAll, ...uploads.map((one) => ({ sinceMs: clock.now() - one.time_period, maxBytes: one.max_size }))]
}

function quotaReached({ config }: App): MatrixError {
  const { info_uri: infoUri } = config.media_api.user_limits
  const message = 'You cannot upload that much.'
  if (infoUri === '') return new MatrixError('M_FORBIDDEN', message)
  return new MatrixError('M_USER_LIMIT_EXCEEDED', message, { info_uri: infoUri })
}
