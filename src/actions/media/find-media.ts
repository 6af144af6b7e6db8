import type { Readable } from 'node:stream'
import type { App } from '../../app.ts'
import { isServerName } from '../../core/ids.ts'
import { MatrixError } from '../../core/matrix-error.ts'
import { type MediaName, type MediaRow, mediaNamed, noteAccess } from '../../store/media.ts'
import { write } from '../write.ts'
import { fetchRemoteMedia } from './fetch-remote-media.ts'

const MEDIA_ID = /^[A-Za-z0-9_-]{1,255}$/
/** Client-Server API, `timeout_ms`: what is waited for a file that is not uploaded yet. */
const WAIT_DEFAULT_MS = 20_000
const WAIT_MAX_MS = 60_000
const LOOK_MS = 500
/** When a file was last asked for is kept as exactly as this. */
export const ACCESS_NOTED_EVERY_MS = 6 * 3_600_000

/** A file with its content. */
export type StoredMedia = MediaRow & {
  readonly hash: string
  readonly bytes: number
  readonly content_type: string
}

export interface Wanted {
  readonly origin: string
  readonly mediaId: string
  readonly timeoutMs: number | undefined
  readonly allowRemote: boolean
  readonly signal: AbortSignal
}

/**
 * The file of that name, waiting for its upload or fetching it from its server where need be. Errors: M_NOT_FOUND,
 * M_NOT_YET_UPLOADED, and those of `fetchRemoteMedia`.
 */
export async function findMedia(app: App, wanted: Wanted): Promise<StoredMedia> {
  const { origin, mediaId, signal } = wanted
  if (!isServerName(origin) || !MEDIA_ID.test(mediaId)) throw notFound()
  const name = { origin, media_id: mediaId }
  const waitMs = Math.min(Math.max(wanted.timeoutMs ?? WAIT_DEFAULT_MS, 0), WAIT_MAX_MS)
  const deadline = app.clock.monotonic() + waitMs
  for (;;) {
    const row = await lookUp(app, name, wanted, waitMs)
    if (row.quarantined_by !== null) throw notFound()
    if (row.hash !== null && row.bytes !== null) {
      noteAsked(app, row)
      return { ...row, ...contentOf(row) }
    }
    if (row.expires_ts !== null && row.expires_ts <= app.clock.now()) throw notFound()
    if (app.clock.monotonic() >= deadline || signal.aborted)
      throw new MatrixError('M_NOT_YET_UPLOADED', 'The file is not uploaded yet.')
    await app.timers.sleep(Math.min(LOOK_MS, deadline - app.clock.monotonic()))
  }
}

/** For the retention of files. The request does not wait for it. */
function noteAsked(app: App, row: MediaRow): void {
  const nowMs = app.clock.now()
  if (nowMs - row.last_access_ts < ACCESS_NOTED_EVERY_MS) return
  write(app, { guards: [], writes: [noteAccess(row, nowMs)], log: [] }).catch((error: unknown) =>
    app.log.warn({ err: error }, 'that a file was asked for was not noted'),
  )
}

/** The bytes of a file, or a part of them. Errors: M_NOT_FOUND when they are lost. */
export async function openContent(
  app: App,
  media: StoredMedia,
  range?: { readonly start: number; readonly end: number },
): Promise<Readable> {
  const stream = await app.blobs.open(media.hash, range)
  if (stream !== undefined) return stream
  app.log.error({ media: media.media_id, origin: media.origin, hash: media.hash }, 'the bytes of a file are not there')
  throw new MatrixError('M_NOT_FOUND', 'The content of the file is lost.')
}

async function lookUp(app: App, name: MediaName, wanted: Wanted, waitMs: number): Promise<MediaRow> {
  const row = await mediaNamed(app.db, name)
  if (row !== undefined) return row
  if (name.origin === app.serverName || !wanted.allowRemote || app.config.global.disable_federation) throw notFound()
  return fetchRemoteMedia(app, name, waitMs)
}

function contentOf(row: MediaRow) {
  return { hash: row.hash ?? '', bytes: row.bytes ?? 0, content_type: row.content_type ?? '' }
}

function notFound(): MatrixError {
  return new MatrixError('M_NOT_FOUND', 'There is no such file.')
}
